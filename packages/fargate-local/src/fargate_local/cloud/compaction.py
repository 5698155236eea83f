"""What the journal may forget: data that a later request replaced or deleted, and the oldest logs and events."""

import json
from typing import Any

from fargate_local.cloud.journal import Record
from fargate_local.cloud.requests import CloudRequest

LOG_BYTES_KEPT = 64 * 1024 * 1024
EVENTS_KEPT = 5_000
STREAMS_KEPT = 5_000

Place = tuple[str, str] | None


def compact(records: list[Record]) -> list[Record]:
    """Return the records that still matter, in their order."""
    kept = without_replaced_objects(records)
    kept = without_deleted_streams(kept)
    return newest_logs_and_events(kept)


def without_replaced_objects(records: list[Record]) -> list[Record]:
    """Drop uploads of S3 objects that were overwritten or deleted later, unless a copy or version still needs them."""
    if any(keeps_versions(record.request) for record in records):
        return records
    settled: set[Place] = set()
    ended_uploads: set[str] = set()
    kept: list[Record] = []
    for record in reversed(records):
        request = record.request
        if request.service == "s3":
            settled.discard(copied_from(request))
            upload = record.yields or request.query.get("uploadId", [""])[0]
            if upload in ended_uploads:
                continue
            if upload and request.method == "DELETE":
                ended_uploads.add(upload)
                continue
            place = made_or_deleted(request)
            if place and place in settled:
                if upload:
                    ended_uploads.add(upload)
                continue
            settled.add(place)
        kept.append(record)
    return without_void_deletes(kept[::-1])


def without_void_deletes(records: list[Record]) -> list[Record]:
    """Drop deletions of objects whose creation is no longer in the journal."""
    existing: set[Place] = set()
    kept: list[Record] = []
    for record in records:
        request = record.request
        if request.service == "s3":
            place = made_or_deleted(request)
            if place and request.method == "DELETE" and place not in existing:
                continue
            existing.add(place)
        kept.append(record)
    return kept


def made_or_deleted(request: CloudRequest) -> Place:
    """Return the (bucket, key) that this request creates or deletes as a whole, or None for any other request."""
    query = request.query.keys() - {"x-id"}
    whole = request.method in ("PUT", "DELETE") and not query
    completed = request.method == "POST" and query == {"uploadId"}
    return place_of(request) if whole or completed else None


def place_of(request: CloudRequest) -> Place:
    """Return the (bucket, key) that a request is about."""
    label, dot, _ = request.headers.get("host", "").partition(".s3")
    path = request.path.lstrip("/")
    if dot:
        return (label, path) if path else None
    bucket, _, key = path.partition("/")
    return (bucket, key) if key else None


def copied_from(request: CloudRequest) -> Place:
    """Return the (bucket, key) that a request copies."""
    source = request.headers.get("x-amz-copy-source")
    if not source:
        return None
    bucket, _, key = source.partition("?")[0].lstrip("/").partition("/")
    return bucket, key


def keeps_versions(request: CloudRequest) -> bool:
    """Return whether this request may turn on versioning for a bucket."""
    if request.service == "cloudformation":
        return b"VersioningConfiguration" in request.body
    return request.service == "s3" and request.method == "PUT" and "versioning" in request.query


def without_deleted_streams(records: list[Record]) -> list[Record]:
    """Drop log events of groups and streams that were deleted afterwards."""
    deleted: set[tuple[str, str | None]] = set()
    kept: list[Record] = []
    for record in reversed(records):
        request = record.request
        if request.service == "logs" and request.action in ("DeleteLogGroup", "DeleteLogStream", "PutLogEvents"):
            body = json_body(request)
            group, stream = body.get("logGroupName", ""), body.get("logStreamName")
            if request.action != "PutLogEvents":
                deleted.add((group, stream))
            elif (group, None) in deleted or (group, stream) in deleted:
                continue
        kept.append(record)
    kept.reverse()
    return kept


def newest_logs_and_events(records: list[Record]) -> list[Record]:
    """Keep the newest 64 MiB of log events, the newest 5,000 log streams and the newest 5,000 calls of PutEvents."""
    log_bytes = events = streams = 0
    kept: list[Record] = []
    for record in reversed(records):
        action = record.request.action
        if action == "PutLogEvents":
            log_bytes += record_bytes(record)
            if log_bytes > LOG_BYTES_KEPT:
                continue
        elif action == "CreateLogStream":
            streams += 1
            if streams > STREAMS_KEPT:
                continue
        elif action == "PutEvents":
            events += 1
            if events > EVENTS_KEPT:
                continue
        kept.append(record)
    kept.reverse()
    return kept


def record_bytes(record: Record) -> int:
    """Return the size of the body; one kept in its own file counts as 1 MiB, the largest PutLogEvents."""
    return len(record.request.body) if record.body_file is None else 1 << 20


def json_body(request: CloudRequest) -> dict[str, Any]:
    """Return the body's JSON object, or an empty one when it has none."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
