"""Which images the runs in flight may still launch: a run keeps the pins of the commit it started at."""

from collections.abc import Iterable

from datavision.airflow_api import BegunRun
from datavision.aws import Cloud
from datavision.config import Config
from datavision.errors import PinError
from datavision.fargate.launching.release_record import read_record
from datavision.pins import parse_pin
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import path_in_repository


def images_of(config: Config, repo: PinRepository, runs: Iterable[BegunRun]) -> dict[str, str]:
    """Return the digests that `runs` may launch, each with the reason."""
    found: dict[str, str] = {}
    for run in runs:
        reason = f"{run.dag_id} runs with it ({run.run_id})"
        for digest in (*_pinned(config, repo, run), *_asked_for(config, run)):
            found.setdefault(digest, reason)
    return found


def _pinned(config: Config, repo: PinRepository, run: BegunRun) -> list[str]:
    path = path_in_repository(config.env, run.dag_id)
    text = repo.read(run.bundle_version or "HEAD", path)
    if text is None:
        return []
    try:
        return [image.digest for image in parse_pin(text, path).images.values()]
    except PinError:
        return []  # a run of it cannot launch anything either


def _asked_for(config: Config, run: BegunRun) -> list[str]:
    asked = str(run.conf.get("release") or "").removeprefix("v")
    record = read_record(Cloud.of(config), config, asked) if asked else None
    return [image.digest for image in record.images.values()] if record else []
