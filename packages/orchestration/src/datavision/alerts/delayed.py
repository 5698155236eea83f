"""Tells of what `datavision.alerts.delays` finds in the records of launches, once for each task and run."""

from datetime import UTC, datetime, timedelta
from typing import Any

from datavision import config as configuration
from datavision.alerts.delays import Slow, Stale, slow, stale
from datavision.alerts.message import slow_message, stale_message
from datavision.alerts.told import base_url, tell
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.attempt.accounting import RUNNING
from datavision.fargate.edge.json_objects import list_keys, write_json
from datavision.fargate.outcome.audit import read_days

_DAYS = 30


def check_delays() -> dict[str, Any]:
    """Tell of tasks and runs that take much longer than usual, and of runs that found nothing new at the source.

    Returns:
        `slow` and `stale`: the names of what was told now.

    Raises:
        ClientError: The records cannot be read, or what was told cannot be kept.
    """
    config, now = configuration.load(), datetime.now(UTC)
    cloud, bucket, today = Cloud.of(config), config.storage.audit_bucket, day_of(now)
    newest = read_days(cloud, bucket, config.env, today - timedelta(days=1), today)
    late: list[Slow] = []
    for pipeline in sorted({record.pipeline for record in newest if record.outcome == RUNNING}):
        first = today - timedelta(days=_DAYS)
        late += slow(read_days(cloud, bucket, config.env, first, today, pipeline), now, config.alerts)
    told = [item.name for item in late if _once(config, item)]
    return {"slow": told, "stale": [item.pipeline for item in stale(newest, config.alerts) if _once(config, item)]}


def _once(config: Config, found: Slow | Stale) -> bool:
    """Tell of it unless that was done, and return whether it was done now."""
    cloud, bucket = Cloud.of(config), config.storage.results_bucket
    folder = f"alerts/{config.env}/demoras/{found.pipeline}/{found.run_id}/"
    if isinstance(found, Slow):
        key = f"{folder}tarda-{found.task or 'ejecucion'}.json"
        # A run whose task was told takes longer for that reason.
        known = key if found.task else f"{folder}tarda-"
        message = slow_message(config.env, found, base_url())
    else:
        key = known = f"{folder}sin-novedad.json"
        message = stale_message(config.env, found, base_url())
    if list_keys(cloud, bucket, known) or not tell(config, message):
        return False
    write_json(cloud, bucket, key, {"told": datetime.now(UTC).isoformat()})
    return True
