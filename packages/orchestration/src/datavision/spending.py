"""What containers cost, summed as people ask for it; free of I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from datavision.fargate.attempt.accounting import IDLE, RUNNING
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Outcome


class By(StrEnum):
    """What a sum is taken over."""

    MONTH = "month"
    PIPELINE = "pipeline"
    TASK = "task"
    RUN = "run"
    RELEASE = "release"


_NAMES: dict[By, Callable[[AuditRecord], str]] = {
    By.MONTH: lambda record: f"{record.run_date:%Y-%m}",
    By.PIPELINE: lambda record: record.pipeline,
    By.TASK: lambda record: f"{record.pipeline}.{record.task_id}",
    By.RUN: lambda record: f"{record.pipeline} {record.run_id}",
    By.RELEASE: lambda record: record.release,
}


@dataclass(frozen=True)
class Spent:
    """One sum. Hours are of what was billed; costs are dollars."""

    name: str
    runs: int
    launches: int
    failed: int
    """Launches that ended without success; what they cost bought nothing."""
    vcpu_hours: float
    gb_hours: float
    cost_usd: float
    wasted_usd: float
    """Of `cost_usd`, what failed launches cost, and shared containers without a step."""
    unknown: int
    """Launches without a known cost, for they run still, or ECS forgot them; in no sum."""


def spent(records: Iterable[AuditRecord], by: By) -> list[Spent]:
    """Return the sums in the order in which their first launches began."""
    groups: dict[str, list[AuditRecord]] = {}
    for record in records:
        groups.setdefault(_NAMES[by](record), []).append(record)
    return [total(name, group) for name, group in groups.items()]


def total(name: str, records: Iterable[AuditRecord]) -> Spent:
    """Return the sum of all."""
    found = list(records)
    known = [record for record in found if record.cost_usd is not None]
    wasted = [record for record in found if record.outcome not in (Outcome.SUCCESS, RUNNING)]
    idle = sum(record.outcome == IDLE for record in found)
    return Spent(
        name=name,
        runs=len({(record.pipeline, record.run_id) for record in found}),
        launches=len(found) - idle,
        failed=len(wasted) - idle,
        vcpu_hours=round(sum(record.cpu / 1024 * (record.seconds or 0) for record in known) / 3600, 6),
        gb_hours=round(sum(record.memory / 1024 * (record.seconds or 0) for record in known) / 3600, 6),
        cost_usd=_dollars(known),
        wasted_usd=_dollars(wasted),
        unknown=len(found) - len(known),
    )


def _dollars(records: Iterable[AuditRecord]) -> float:
    return round(sum(record.cost_usd or 0 for record in records), 6)
