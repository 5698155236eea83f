"""Runs that were due and of which nothing has started: told once each, and once more when the pipeline starts again.

That something started is what its launches' records say. They lie in S3, so neither Airflow nor its database is asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from datavision.alerts.message import Message, missing_message, started_again_message
from datavision.alerts.schedules import last_due
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.edge.json_objects import list_folders, read_json, write_json
from datavision.fargate.outcome.audit import newest_day

_MAX_BYTES = 4 * 1024


class Watched(BaseModel):
    """What is known of a DAG's schedule: `alerts/<env>/programadas/<pipeline>.json`."""

    model_config = ConfigDict(frozen=True)

    schedule: str
    since: datetime
    """When it was first seen; what was due before is not expected."""
    missing: datetime | None = None
    """When the last missing run that was told was due; None: none is missing."""


@dataclass(frozen=True)
class Told:
    """Something to tell of one DAG, and what is known of it once that is told; `message` None: nothing to tell."""

    pipeline: str
    known: Watched
    message: Message | None


def look(config: Config, schedules: Mapping[str, str], now: datetime, base_url: str) -> Iterator[Told]:
    """Yield what has changed since the last look; `keep` it once it is told.

    Args:
        config: Of the environment.
        schedules: Cron expressions by DAG.
        now: The time.
        base_url: Airflow's address.

    Raises:
        ClientError: The records cannot be read.
    """
    for pipeline, schedule in schedules.items():
        known = _known(config, pipeline)
        if known is None or known.schedule != schedule:
            yield Told(pipeline, Watched(schedule=schedule, since=now), None)
            continue
        due = last_due(schedule, now - timedelta(minutes=config.alerts.missing_after_minutes))
        if due <= known.since:
            continue
        started = has_started(config, pipeline, due)
        if started and known.missing:
            message = started_again_message(config.env, pipeline, known.missing, now, base_url)
            yield Told(pipeline, known.model_copy(update={"missing": None}), message)
        elif not started and due != known.missing:
            last = newest_day(Cloud.of(config), config.storage.audit_bucket, config.env, pipeline)
            message = missing_message(config.env, pipeline, due, now, last, base_url)
            yield Told(pipeline, known.model_copy(update={"missing": due}), message)


def keep(config: Config, told: Told) -> None:
    """Remember what was told."""
    key = _key(config, told.pipeline)
    write_json(Cloud.of(config), config.storage.results_bucket, key, told.known.model_dump(mode="json"))


def has_started(config: Config, pipeline: str, due: datetime) -> bool:
    """Return whether the run that was due then has launched something, itself or in a pipeline that it triggered."""
    run_id = f"scheduled__{due.isoformat()}"
    if run_id in _runs(config, pipeline, due):
        return True
    pipelines = list_folders(Cloud.of(config), config.storage.audit_bucket, f"audit/{config.env}/")
    runs = (run for name in pipelines for run in _runs(config, name, due))
    return any(run.endswith(f"__{run_id}") for run in runs)


def _runs(config: Config, pipeline: str, due: datetime) -> list[str]:
    folder = f"audit/{config.env}/{pipeline}/{day_of(due)}/"
    return list_folders(Cloud.of(config), config.storage.audit_bucket, folder)


def _known(config: Config, pipeline: str) -> Watched | None:
    try:
        found = read_json(Cloud.of(config), config.storage.results_bucket, _key(config, pipeline), _MAX_BYTES)
        return Watched.model_validate(found) if found else None
    except (ValidationError, ValueError):
        return None


def _key(config: Config, pipeline: str) -> str:
    return f"alerts/{config.env}/programadas/{pipeline}.json"
