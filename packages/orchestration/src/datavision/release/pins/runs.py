"""What runs really used, from the audit records."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from datavision.aws import Cloud
from datavision.config import Config
from datavision.fargate.outcome.audit import AuditRecord, list_runs, newest_day, read_audits

_READERS = 8


@dataclass(frozen=True)
class LastUse:
    """The image that a module's newest launch ran, as reported by ECS."""

    run_id: str
    release: str
    digest: str


def runs_by_release(config: Config, pipeline: str) -> Counter[str]:
    """Return how many runs of `pipeline` used each release; a run that used two counts for both."""
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    runs = list_runs(cloud, bucket, config.env, pipeline)

    def releases(run: tuple[date, str]) -> set[str]:
        day, run_id = run
        return {record.release for record in read_audits(cloud, bucket, config.env, pipeline, on=day, run_id=run_id)}

    with ThreadPoolExecutor(_READERS) as pool:
        return Counter(release for found in pool.map(releases, runs) for release in found)


def last_uses(config: Config, pipeline: str) -> dict[str, LastUse]:
    """Return each module's newest launch in the newest run of `pipeline`."""
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    newest = newest_day(cloud, bucket, config.env, pipeline)
    if newest is None:
        return {}
    return newest_uses(read_audits(cloud, bucket, config.env, pipeline, on=newest))


def newest_uses(records: Iterable[AuditRecord]) -> dict[str, LastUse]:
    """Return the last of `records` (in order of launch) for each module; launches that never ran are skipped."""
    return {
        record.module: LastUse(record.run_id, record.release, record.reported_digest)
        for record in records
        if record.reported_digest
    }
