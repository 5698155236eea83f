"""The reports that runs wrote, served so that they open wherever the page does."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.outcome.audit import AuditRecord

POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""A report is somebody's HTML: it runs in an origin of its own, without cookies and without network."""


def newest(config: Config, launches: Sequence[AuditRecord]) -> bytes | None:
    """Return the last report that these launches wrote, or None when there is none or it has been deleted."""
    named = [str(record.result["report"]) for record in launches if record.result and record.result.get("report")]
    return _read(config, named[-1]) if named else None


def _read(config: Config, place: str) -> bytes | None:
    root = config.storage.reports_path.rstrip("/")
    if place.startswith("s3://"):
        if not place.startswith(f"{root}/"):
            return None
        parts = urlsplit(place)
        s3 = client(Cloud.of(config), "s3")
        try:
            body: bytes = s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return body
    path = Path(place).resolve()
    inside = path.is_relative_to(Path(root).resolve()) and path.is_file()
    return path.read_bytes() if inside else None
