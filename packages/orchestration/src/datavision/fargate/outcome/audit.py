"""The audit record of every launch: when, how and what ran, and what it cost.

One JSON object per launch in the audit bucket, at
`audit/<env>/<pipeline>/<business day of the run>/<run id>/<task>[-<map index>]-<try>-<launch>.json`.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from datavision.aws import Cloud
from datavision.config import Price
from datavision.fargate.edge.json_objects import list_folders, list_keys, read_json, write_json
from datavision.fargate.identity import TaskKey

_MAX_BYTES = 256 * 1024
_READERS = 16
_MIB = 2**20


class AuditRecord(BaseModel):
    """One launch. Times are Unix seconds, memory is MiB, cost is dollars."""

    model_config = ConfigDict(frozen=True)

    env: str
    pipeline: str
    run_id: str
    run_date: date
    run_type: str = ""
    """Airflow's word: scheduled, manual, backfill, asset_triggered; empty in records of version 0.1."""
    triggered_by: str | None = None
    """The user of Airflow who asked for the run; None: its schedule did."""
    params: dict[str, Any] = {}
    """What the run was asked for with."""
    task_id: str
    map_index: int
    try_number: int
    launch: int

    module: str
    command: list[str]
    release: str
    image: str
    tag: str
    digest: str
    reported_digest: str | None
    task_definition: str
    task_arn: str | None
    shared: str = ""
    """Session and number of the shared container that it was a step of; empty: it had its own."""

    cpu: int
    memory: int
    why_size: str
    capacity: str
    subnet: str

    outcome: str
    stop_code: str
    reason: str
    exit_code: int | None
    launched_at: float
    started_at: float | None
    stopped_at: float | None
    seconds: float | None
    """Billed seconds: from the start of the image pull to the stop, of a shared container the step's part; None while
    that is not known."""
    price: Price | None = None
    """What cost_usd is computed from; None in records of version 0.1."""
    cost_usd: float | None
    measured: dict[str, Any] | None
    result: dict[str, Any] | None

    @property
    def key(self) -> TaskKey:
        """The task instance this launch belongs to."""
        return TaskKey(self.env, self.pipeline, self.run_id, self.task_id, self.map_index)

    @property
    def rows(self) -> dict[str, int]:
        """Rows that it wrote, by table: of ingesta's `tables`, or of dbt's `rows`."""
        result = self.result or {}
        if isinstance(tables := result.get("tables"), Mapping):
            changed = ("inserted", "updated", "deleted")
            return {name: sum(int(table.get(what) or 0) for what in changed) for name, table in sorted(tables.items())}
        counts = result.get("rows")
        known = counts.items() if isinstance(counts, Mapping) else ()
        return {name: count for name, count in sorted(known) if isinstance(count, int)}

    @property
    def peak_mib(self) -> int | None:
        """The most memory that it used, in MiB; None: it was not measured."""
        peak = (self.measured or {}).get("peak_memory_bytes")
        return round(peak / _MIB) if isinstance(peak, int | float) else None

    @property
    def object_key(self) -> str:
        """The record's key in the audit bucket."""
        folder = f"audit/{self.env}/{self.pipeline}/{self.run_date.isoformat()}/{self.run_id}"
        return f"{folder}/{self.key.file_stem}-{self.try_number}-{self.launch}.json"


def write_audit(cloud: Cloud, bucket: str, record: AuditRecord) -> None:
    """Write a record; the same launch writes the same object."""
    write_json(cloud, bucket, record.object_key, record.model_dump(mode="json"))


def list_runs(cloud: Cloud, bucket: str, env: str, pipeline: str, on: date | None = None) -> list[tuple[date, str]]:
    """Return the (date, run id) of every run of `pipeline` that launched something, oldest date first."""
    keys = list_keys(cloud, bucket, _prefix(env, pipeline, on))
    runs = {(parts[3], parts[4]) for parts in (key.split("/") for key in keys) if len(parts) == 6}
    return [(date.fromisoformat(day), run_id) for day, run_id in sorted(runs)]


def newest_day(cloud: Cloud, bucket: str, env: str, pipeline: str) -> date | None:
    """Return the last business day of a run of `pipeline`; None: it has not run. Lists days, not records."""
    days = list_folders(cloud, bucket, _prefix(env, pipeline, None))
    return date.fromisoformat(days[-1]) if days else None


def read_audits(
    cloud: Cloud, bucket: str, env: str, pipeline: str, on: date | None = None, run_id: str | None = None
) -> list[AuditRecord]:
    """Return a pipeline's records in order of launch, of one day (`on`, quick) or one run if given.

    Objects that are not audit records are skipped.
    """
    folder = f"{run_id}/" if on and run_id else ""
    keys = list_keys(cloud, bucket, _prefix(env, pipeline, on) + folder)
    return _in_order(_read(cloud, bucket, key) for key in keys if run_id is None or f"/{run_id}/" in key)


def read_days(
    cloud: Cloud,
    bucket: str,
    env: str,
    first: date,
    last: date,
    pipeline: str | None = None,
    file_stem: str | None = None,
) -> list[AuditRecord]:
    """Return the records of runs of these business days, in order of launch; objects that are no records are skipped.

    Args:
        cloud: Where the bucket is.
        bucket: The audit bucket.
        env: The environment.
        first: The first day.
        last: The last day, included.
        pipeline: Only this one's.
        file_stem: Only those of the task with this `TaskKey.file_stem`; no others are read.
    """
    days = (first.isoformat(), last.isoformat())
    listed = list_keys(cloud, bucket, f"audit/{env}/{pipeline}/" if pipeline else f"audit/{env}/")
    keys = [key for key in listed if key.count("/") == 5 and days[0] <= key.split("/")[3] <= days[1]]
    if file_stem:
        keys = [key for key in keys if key.rpartition("/")[2].rsplit("-", 2)[0] == file_stem]
    with ThreadPoolExecutor(_READERS) as pool:
        return _in_order(pool.map(lambda key: _read(cloud, bucket, key), keys))


def _read(cloud: Cloud, bucket: str, key: str) -> AuditRecord | None:
    try:
        return AuditRecord.model_validate(read_json(cloud, bucket, key, _MAX_BYTES))
    except (ValidationError, ValueError):
        return None


def _in_order(found: Iterable[AuditRecord | None]) -> list[AuditRecord]:
    return sorted((record for record in found if record), key=lambda record: record.launched_at)


def _prefix(env: str, pipeline: str, on: date | None) -> str:
    return f"audit/{env}/{pipeline}/" + (f"{on.isoformat()}/" if on else "")
