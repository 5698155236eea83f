"""The record of a release: `s3://<results bucket>/releases/<env>/<version>.json`.

Airflow reads it when a run asks for another release than its pin.
"""

import json
from collections.abc import Mapping
from typing import Any

from datavision.aws import client
from datavision.config import Config
from datavision.fargate.launching.released_image import release_key
from datavision.pins import PinnedImage


def write_record(
    config: Config, version: str, commit: str, released_at: str, images: Mapping[str, PinnedImage]
) -> None:
    """Write a release's record; again with the same images changes nothing."""
    value = {"images": {module: image.model_dump() for module, image in images.items()}}
    present = read_record(config, version)
    if present is not None and present["images"] == value["images"]:
        return
    client(config, "s3").put_object(
        Bucket=config.storage.results_bucket,
        Key=release_key(config.env, version),
        Body=json.dumps({"version": version, "commit": commit, "released_at": released_at, **value}, indent=1).encode(),
        ContentType="application/json",
    )


def read_record(config: Config, version: str) -> dict[str, Any] | None:
    """Return a release's record, or None when there is none."""
    s3 = client(config, "s3")
    try:
        answer = s3.get_object(Bucket=config.storage.results_bucket, Key=release_key(config.env, version))
    except s3.exceptions.NoSuchKey:
        return None
    value: dict[str, Any] = json.loads(answer["Body"].read())
    return value
