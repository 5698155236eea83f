"""Writes a report to where people find it: a folder or an S3 prefix."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from transformacion.errors import ReportError

LATEST: Final = "ultimo.html"
"""The copy that is always the newest report."""


@dataclass(frozen=True)
class Published:
    """Where a report went."""

    report: str
    latest: str
    size: int


def publish(page: str, location: str, *, now: datetime) -> Published:
    """Write the page under a name with its time, which is never overwritten, and as the newest one.

    Raises:
        ReportError: The destination cannot be written.
    """
    name, content = f"reporte_{now.astimezone(UTC):%Y-%m-%dT%H%M%S.%fZ}.html", page.encode()
    write = _write_s3 if location.startswith("s3://") else _write_folder
    return Published(*write(content, location, name), size=len(content))


def _write_folder(content: bytes, location: str, name: str) -> tuple[str, str]:
    folder = Path(location)
    with _explained(location):
        folder.mkdir(parents=True, exist_ok=True)
        arriving = folder / f".{name}.{os.getpid()}"
        try:
            arriving.write_bytes(content)
            # A link fails if the name is taken, and shows the complete file or nothing.
            (folder / name).hardlink_to(arriving)
            arriving.replace(folder / LATEST)
        finally:
            arriving.unlink(missing_ok=True)
    return str(folder / name), str(folder / LATEST)


def _write_s3(content: bytes, location: str, name: str) -> tuple[str, str]:
    bucket, prefix = _split(location)
    page: dict[str, Any] = {"Bucket": bucket, "Body": content, "ContentType": "text/html; charset=utf-8"}
    with _explained(location):
        client = _client()
        client.put_object(Key=prefix + name, IfNoneMatch="*", **page)
        client.put_object(Key=prefix + LATEST, CacheControl="no-cache", **page)
    return f"s3://{bucket}/{prefix}{name}", f"s3://{bucket}/{prefix}{LATEST}"


def _split(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def _client() -> Any:
    import boto3

    return boto3.client("s3")


class _explained:  # noqa: N801 - used as a statement
    def __init__(self, location: str) -> None:
        self._location = location

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, OSError | BotoCoreError | ClientError):
            raise ReportError(
                f"The report cannot be written to {self._location} ({error}). "
                "Check that DATAVISION_REPORTS__PATH exists and that this task may write there."
            ) from None
