"""The permissions of S3 calls.

From "Actions, resources, and condition keys for Amazon S3" and "Required permissions for Amazon S3 API operations"
(read November 2026).
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from fargate_local.cloud.requests import CloudRequest
from fargate_local.strict.calls import Call
from fargate_local.strict.policy import Need

PATH_STYLE: Final = re.compile(
    r"(localhost|host\.docker\.internal|[\d.]+|\[.*\]|s3[.-]?.*\.amazonaws\.com)(:\d+)?", re.I
)
DELETED_KEY: Final = re.compile(rb"<Key>([^<]*)</Key>(?:\s*<VersionId>([^<]*)</VersionId>)?")
OF_BUCKETS: Final = {
    "acl": "BucketAcl",
    "accelerate": "AccelerateConfiguration",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
"""Parts of a bucket, in the query of a call, and what they are called in actions: `s3:Get…`, `s3:Put…`."""
REALLY_DELETED: Final = frozenset({"policy", "website"})
"""Whose removal is `s3:Delete…`; that of the others is `s3:Put…`."""
OF_OBJECTS: Final = {
    "acl": "Acl",
    "attributes": "Attributes",
    "legal-hold": "LegalHold",
    "retention": "Retention",
    "tagging": "Tagging",
    "torrent": "Torrent",
}
HEADER_KEYS: Final = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
)
QUOTES: Final = {"&quot;": '"', "&apos;": "'"}
QUERY_KEYS: Final = ("prefix", "delimiter", "max-keys")


def s3(call: Call) -> Iterator[Need]:
    """Yield the permissions that a call of S3 takes on buckets and objects."""
    request = call.request
    bucket, key = place(request)
    query = {name: values[0] for name, values in request.query.items()}
    keys = condition_keys(request, query)
    if not bucket:
        yield call.need(action="s3:ListAllMyBuckets")
    elif key:
        yield from of_object(call, bucket, key, query, keys)
    elif request.method == "POST" and "delete" in query:
        for name, version in DELETED_KEY.findall(request.body):
            action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            yield call.need(object_arn(bucket, unescape(name.decode(), QUOTES)), action=action)
    elif request.method == "POST":
        yield call.need(object_arn(bucket, "*"), action="s3:PutObject")
    else:
        yield call.need(f"arn:aws:s3:::{bucket}", keys, action=f"s3:{bucket_action(request.method, query)}")


def place(request: CloudRequest) -> tuple[str, str]:
    """Return (bucket, key) of a call, in either style of address; empty texts where it names none."""
    host = request.headers.get("host", "localhost")
    path = unquote(request.path.lstrip("/"))
    if PATH_STYLE.fullmatch(host):
        bucket, _, key = path.partition("/")
        return bucket, key
    return host.partition(":")[0].partition(".")[0], path


def condition_keys(request: CloudRequest, query: dict[str, str]) -> dict[str, Any]:
    """Return what S3 lets policies ask about a request."""
    keys = {f"s3:{name}": request.headers[name] for name in HEADER_KEYS if name in request.headers}
    keys |= {f"s3:{name}": query[name] for name in QUERY_KEYS if name in query}
    return keys | ({"s3:VersionId": query["versionId"]} if "versionId" in query else {})


def bucket_action(method: str, query: dict[str, str]) -> str:
    """Return the action of a call on a bucket, without `s3:`."""
    part = next((name for name in query if name in OF_BUCKETS), None)
    if part:
        verb = "Get" if method == "GET" else "Delete" if method == "DELETE" and part in REALLY_DELETED else "Put"
        return verb + OF_BUCKETS[part]
    if method == "GET" and "uploads" in query:
        return "ListBucketMultipartUploads"
    if method == "GET" and "versions" in query:
        return "ListBucketVersions"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "ListBucket")


def of_object(call: Call, bucket: str, key: str, query: dict[str, str], keys: dict[str, Any]) -> Iterator[Need]:
    """Yield the permissions on an object, and on the source that a copy reads."""
    headers = call.request.headers
    action = object_action(call.request.method, query)
    yield call.need(object_arn(bucket, key), keys, action=f"s3:{action}")
    if action == "GetObjectAttributes":
        yield call.need(object_arn(bucket, key), keys, action="s3:GetObject")
    if action == "PutObject" and "x-amz-tagging" in headers:
        yield call.need(object_arn(bucket, key), keys, action="s3:PutObjectTagging")
    if action == "PutObject" and "x-amz-acl" in headers:
        yield call.need(object_arn(bucket, key), keys, action="s3:PutObjectAcl")
    if source := headers.get("x-amz-copy-source"):
        path, _, version = unquote(source).lstrip("/").partition("?versionId=")
        name, _, copied = path.partition("/")
        yield call.need(object_arn(name, copied), action="s3:GetObjectVersion" if version else "s3:GetObject")


def object_action(method: str, query: dict[str, str]) -> str:
    """Return the action of a call on an object, without `s3:`."""
    part = next((name for name in query if name in OF_OBJECTS), None)
    version = "Version" if "versionId" in query else ""
    if part:
        verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put")
        return f"{verb}Object{version if part in ('acl', 'tagging') else ''}{OF_OBJECTS[part]}"
    if "uploadId" in query and method == "GET":
        return "ListMultipartUploadParts"
    if "uploadId" in query and method == "DELETE":
        return "AbortMultipartUpload"
    if "restore" in query:
        return "RestoreObject"
    if method in ("GET", "HEAD") or "select" in query:
        return f"GetObject{version}"
    return f"DeleteObject{version}" if method == "DELETE" else "PutObject"


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"arn:aws:s3:::{bucket}/{key}"


def reads_one_object(request: CloudRequest) -> tuple[str, str] | None:
    """Return (bucket, key) of a GetObject or HeadObject of the current version; None for other calls."""
    bucket, key = place(request)
    query = request.query
    plain = not any(name in OF_OBJECTS or name in ("uploadId", "versionId") for name in query)
    return (bucket, key) if request.method in ("GET", "HEAD") and key and plain else None
