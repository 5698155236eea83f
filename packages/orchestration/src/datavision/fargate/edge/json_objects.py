"""Small JSON objects in S3: results, audit records, remembered sizes."""

import json
from typing import Any

from datavision.aws import Cloud, client

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Answers to a conditional write (Amazon S3 user guide, "Conditional requests", November 2026)."""


def read_json(cloud: Cloud, bucket: str, key: str, max_bytes: int) -> Any:
    """Return the JSON value of an object, or None when there is no such object.

    Raises:
        ValueError: It is larger than `max_bytes` or not JSON.
    """
    s3 = client(cloud, "s3")
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    size = int(answer["ContentLength"])
    if size > max_bytes:
        raise ValueError(f"s3://{bucket}/{key} has {size} bytes; the limit is {max_bytes}")
    try:
        return json.loads(answer["Body"].read())
    except ValueError as error:
        raise ValueError(f"s3://{bucket}/{key} is not JSON: {error}") from error


def write_json(cloud: Cloud, bucket: str, key: str, value: Any) -> None:
    """Write `value` as JSON."""
    client(cloud, "s3").put_object(**_put(bucket, key, value))


def create_json(cloud: Cloud, bucket: str, key: str, value: Any) -> bool:
    """Write `value` as JSON where nothing is yet; return False when something is, or is being written just now."""
    s3 = client(cloud, "s3")
    try:
        s3.put_object(**_put(bucket, key, value), IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _TAKEN:
            return False
        raise
    return True


def list_folders(cloud: Cloud, bucket: str, prefix: str) -> list[str]:
    """Return the names of what lies directly below `prefix` (which ends in a slash) and holds keys, sorted."""
    pages = client(cloud, "s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    found = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))
    return sorted(name.removeprefix(prefix).rstrip("/") for name in found)


def list_keys(cloud: Cloud, bucket: str, prefix: str) -> list[str]:
    """Return the keys below `prefix`, sorted."""
    pages = client(cloud, "s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


def _put(bucket: str, key: str, value: Any) -> dict[str, Any]:
    body = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()
    return {"Bucket": bucket, "Key": key, "Body": body, "ContentType": "application/json"}
