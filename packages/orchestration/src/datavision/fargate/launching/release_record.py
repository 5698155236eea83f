"""The record of a release: `s3://<results bucket>/releases/<env>/<version>.json`.

A release writes it; a run that asks for another release than its pin reads it.
"""

from pydantic import BaseModel, ConfigDict, ValidationError

from datavision.aws import Cloud
from datavision.config import Config
from datavision.errors import PinError
from datavision.fargate.edge.json_objects import read_json, write_json
from datavision.pins import PinnedImage

_MAX_BYTES = 256 * 1024


class ReleaseRecord(BaseModel):
    """What a release consists of."""

    model_config = ConfigDict(frozen=True)

    version: str
    commit: str
    """Git commit it was built from."""
    released_at: str
    """ISO 8601 with zone."""
    images: dict[str, PinnedImage]
    """By module."""


def write_record(cloud: Cloud, config: Config, record: ReleaseRecord) -> None:
    """Write a release's record; writing the same images again changes nothing."""
    present = read_record(cloud, config, record.version)
    if present is None or present.images != record.images:
        write_json(cloud, config.storage.results_bucket, _key(config, record.version), record.model_dump())


def read_record(cloud: Cloud, config: Config, version: str) -> ReleaseRecord | None:
    """Return a release's record, or None when there is none.

    Raises:
        PinError: It is malformed.
    """
    bucket, key = config.storage.results_bucket, _key(config, version)
    try:
        value = read_json(cloud, bucket, key, _MAX_BYTES)
        return None if value is None else ReleaseRecord.model_validate(value)
    except (ValidationError, ValueError) as error:
        raise PinError(
            f"s3://{bucket}/{key} is not a valid release record: {error}. Delete it and release {version} again."
        ) from error


def released_image(cloud: Cloud, config: Config, version: str, module: str) -> PinnedImage:
    """Return the image of `module` in release `version` of this environment.

    Raises:
        PinError: There is no such release, or it has no such module.
    """
    record = read_record(cloud, config, version)
    if record is None:
        raise PinError(
            f"There is no release {version!r} in {config.env} "
            f"(s3://{config.storage.results_bucket}/{_key(config, version)} is missing). "
            "`datavision history PIPELINE` lists the releases; leave `release` empty for the pinned one."
        )
    if module not in record.images:
        known = ", ".join(sorted(record.images)) or "none"
        raise PinError(
            f"Release {version} has no image for module {module!r} (it has: {known}). "
            "Use a release made after the module was added."
        )
    return record.images[module]


def _key(config: Config, version: str) -> str:
    return f"releases/{config.env}/{version}.json"
