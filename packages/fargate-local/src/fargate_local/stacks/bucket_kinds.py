"""Buckets of S3 and their policies."""

from collections.abc import Callable
from typing import Any, Final

from fargate_local.stacks.kinds import Calls, Kind, Made, Properties
from fargate_local.stacks.matching import AlreadyExistsError, PropertyError, matched

BUCKET: Final = (
    ("VersioningConfiguration", "put_bucket_versioning", "VersioningConfiguration", None),
    ("ObjectLockConfiguration", "put_object_lock_configuration", "ObjectLockConfiguration", None),
    ("BucketEncryption", "put_bucket_encryption", "ServerSideEncryptionConfiguration", "delete_bucket_encryption"),
    ("PublicAccessBlockConfiguration", "put_public_access_block", "PublicAccessBlockConfiguration",
     "delete_public_access_block"),
    ("OwnershipControls", "put_bucket_ownership_controls", "OwnershipControls", "delete_bucket_ownership_controls"),
    ("LifecycleConfiguration", "put_bucket_lifecycle_configuration", "LifecycleConfiguration",
     "delete_bucket_lifecycle"),
    ("CorsConfiguration", "put_bucket_cors", "CORSConfiguration", "delete_bucket_cors"),
    ("WebsiteConfiguration", "put_bucket_website", "WebsiteConfiguration", "delete_bucket_website"),
    ("LoggingConfiguration", "put_bucket_logging", "BucketLoggingStatus", None),
    ("Tags", "put_bucket_tagging", "Tagging", "delete_bucket_tagging"),
    ("AccelerateConfiguration", "put_bucket_accelerate_configuration", "AccelerateConfiguration", None),
    ("NotificationConfiguration", "put_bucket_notification_configuration", "NotificationConfiguration", None),
)  # fmt: skip
"""Property of AWS::S3::Bucket, the call that brings it about, its parameter, and the call that takes it away."""


def apply_bucket(calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
    """Bring about what CreateBucket does not."""
    s3, model = calls("s3"), calls("s3").meta.service_model
    for name, put, parameter, delete in BUCKET:
        value, known = properties.get(name), (before or {}).get(name)
        if value == known:
            continue
        if value is None:
            if delete:
                getattr(s3, delete)(Bucket=made.physical_resource_id)
            elif name == "VersioningConfiguration":
                suspended = {"Status": "Suspended"}
                s3.put_bucket_versioning(Bucket=made.physical_resource_id, VersioningConfiguration=suspended)
            else:
                getattr(s3, put)(Bucket=made.physical_resource_id, **{parameter: {}})
            continue
        operation = s3.meta.method_to_api_mapping[put]
        shape = model.operation_model(operation).input_shape.members[parameter]
        given = BUCKET_FORMS.get(name, same)(value)
        getattr(s3, put)(Bucket=made.physical_resource_id, **{parameter: matched(given, shape, f"/{name}")})


def same(value: Any) -> Any:
    """Return a value as it is."""
    return value


def api_encryption(value: Any) -> Any:
    """Return `BucketEncryption` as the API has it."""
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        default = {**rule.get("ServerSideEncryptionByDefault", {})}
        named = {"ApplyServerSideEncryptionByDefault": default} if default else {}
        rules.append({**named, **{k: v for k, v in rule.items() if k != "ServerSideEncryptionByDefault"}})
    return {"Rules": rules}


def api_lifecycle(value: Any) -> Any:
    """Return `LifecycleConfiguration` as the API has it: each rule with a filter, what expires one level deeper.

    Raises:
        PropertyError: A rule has a property that is not made here.
    """
    rules = []
    for rule in value["Rules"]:
        api = {k: v for k, v in rule.items() if k in ("Status", "AbortIncompleteMultipartUpload")}
        api |= {"ID": rule["Id"]} if "Id" in rule else {}
        api["Filter"] = lifecycle_filter(rule)
        expiration = {
            api_name: rule[name]
            for name, api_name in (
                ("ExpirationInDays", "Days"),
                ("ExpirationDate", "Date"),
                ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
            )
            if name in rule
        }
        api |= {"Expiration": expiration} if expiration else {}
        noncurrent = rule.get("NoncurrentVersionExpiration") or (
            {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
            if "NoncurrentVersionExpirationInDays" in rule
            else None
        )
        api |= {"NoncurrentVersionExpiration": noncurrent} if noncurrent else {}
        moves = [*rule.get("Transitions", []), *([rule["Transition"]] if "Transition" in rule else [])]
        api |= {"Transitions": [transition(each) for each in moves]} if moves else {}
        old = rule.get("NoncurrentVersionTransitions")
        api |= {"NoncurrentVersionTransitions": [old_transition(each) for each in old]} if old else {}
        known = {*LIFECYCLE_NAMES, *api}
        if extra := sorted(set(rule) - known):
            message = f"#/LifecycleConfiguration/Rules: extraneous key [{extra[0]}] is not permitted"
            raise PropertyError(message)
        rules.append(api)
    return {"Rules": rules}


LIFECYCLE_NAMES: Final = frozenset(
    {
        "Id", "Prefix", "TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "ExpirationInDays",
        "ExpirationDate", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpiration",
        "NoncurrentVersionExpirationInDays", "Transition", "Transitions", "NoncurrentVersionTransitions",
    }
)  # fmt: skip


def lifecycle_filter(rule: Any) -> dict[str, Any]:
    """Return which objects a rule is about."""
    parts = {name: rule[name] for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in rule}
    tags = rule.get("TagFilters", [])
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return parts or {"Prefix": ""}


def transition(value: Any) -> Any:
    """Return a transition of current objects as the API has it."""
    renamed = {"TransitionInDays": "Days", "TransitionDate": "Date"}
    return {renamed.get(name, name): item for name, item in value.items()}


def old_transition(value: Any) -> Any:
    """Return a transition of earlier versions as the API has it."""
    renamed = {"TransitionInDays": "NoncurrentDays"}
    return {renamed.get(name, name): item for name, item in value.items()}


def api_cors(value: Any) -> Any:
    """Return `CorsConfiguration` as the API has it."""
    renamed = {"MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders", "Id": "ID"}
    rules = [{renamed.get(name, name): item for name, item in rule.items()} for rule in value["CorsRules"]]
    return {"CORSRules": rules}


def api_website(value: Any) -> Any:
    """Return `WebsiteConfiguration` as the API has it."""
    renamed: dict[str, Callable[[Any], Any]] = {
        "IndexDocument": lambda name: {"Suffix": name},
        "ErrorDocument": lambda name: {"Key": name},
    }
    return {name: renamed.get(name, same)(item) for name, item in value.items()}


def api_logging(value: Any) -> Any:
    """Return `LoggingConfiguration` as the API has it."""
    renamed = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}
    given = {renamed.get(name, name): item for name, item in value.items()}
    return {"LoggingEnabled": {"TargetPrefix": "", **given}}


def api_notification(value: Any) -> Any:
    """Return `NotificationConfiguration` as the API has it."""
    kinds = {
        "TopicConfigurations": ("Topic", "TopicArn"),
        "QueueConfigurations": ("Queue", "QueueArn"),
        "LambdaConfigurations": ("Function", "LambdaFunctionArn"),
    }
    api: dict[str, Any] = {}
    for name, items in value.items():
        if name == "EventBridgeConfiguration":
            api[name] = {}
            continue
        theirs, ours = kinds[name]
        listed = [{ours: each[theirs], "Events": [each["Event"]], **event_filter(each)} for each in items]
        api[name.replace("LambdaConf", "LambdaFunctionConf")] = listed
    return api


def event_filter(value: Any) -> dict[str, Any]:
    """Return which keys a notification is about."""
    rules = value.get("Filter", {}).get("S3Key", {}).get("Rules")
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


BUCKET_FORMS: Final[dict[str, Callable[[Any], Any]]] = {
    "BucketEncryption": api_encryption,
    "LifecycleConfiguration": api_lifecycle,
    "CorsConfiguration": api_cors,
    "WebsiteConfiguration": api_website,
    "LoggingConfiguration": api_logging,
    "NotificationConfiguration": api_notification,
    "Tags": lambda tags: {"TagSet": tags},
}


def bucket_input(calls: Calls, name: str, properties: Properties) -> Properties:
    """Return a bucket's properties for CreateBucket, with its place.

    Raises:
        AlreadyExistsError: There is one of this name.
    """
    # To somebody who has it already CreateBucket says yes in us-east-1; CloudFormation does not.
    if name in {bucket["Name"] for bucket in calls("s3").list_buckets()["Buckets"]}:
        message = f"Resource of type 'AWS::S3::Bucket' with identifier '{name}' already exists."
        raise AlreadyExistsError(message)
    ours = {name for name, *_ in BUCKET}
    place = {} if calls.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": calls.region}}
    kept = {key: value for key, value in properties.items() if key not in ours}
    owner = properties.get("OwnershipControls", {}).get("Rules", [{}])[0].get("ObjectOwnership")
    return {"BucketName": name, **kept, **place, **({"ObjectOwnership": owner} if owner else {})}


BUCKETS: Final = (
    Kind(
        "AWS::S3::Bucket", "s3", "CreateBucket", "DeleteBucket", "Bucket", name="BucketName",
        renamed={"BucketName": "Bucket", "AccessControl": "ACL", "ObjectLockEnabled": "ObjectLockEnabledForBucket"},
        applied=frozenset(name for name, *_ in BUCKET), apply=apply_bucket, given=bucket_input, tags="list",
        attributes={
            "Arn": "arn:aws:s3:::{id}", "DomainName": "{id}.s3.amazonaws.com",
            "RegionalDomainName": "{id}.s3.{region}.amazonaws.com",
            "DualStackDomainName": "{id}.s3.dualstack.{region}.amazonaws.com",
            "WebsiteURL": "http://{id}.s3-website-{region}.amazonaws.com",
        },
    ),
    Kind(
        "AWS::S3::BucketPolicy", "s3", "PutBucketPolicy", "DeleteBucketPolicy", "Bucket", name="Bucket",
        updates="PutBucketPolicy", renamed={"PolicyDocument": "Policy"}, fixed=frozenset({"Bucket"}),
    ),
)  # fmt: skip
