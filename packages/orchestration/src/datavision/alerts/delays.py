"""What takes longer than usual, and data that did not move although its run is green; free of I/O.

What is usual is the median of the last successful runs. A run is one that a record of a launch speaks of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from datavision.business_day import day_of
from datavision.config import Alerts
from datavision.fargate.attempt.accounting import IDLE, RUNNING
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Outcome

USUAL: Final = 10
"""The last successes that say what is usual."""
FEWEST: Final = 3
"""Before that many nothing is usual."""


@dataclass(frozen=True)
class Slow:
    """A task under way, or a run (`task` empty), that takes much longer than usual. Durations are seconds."""

    pipeline: str
    run_id: str
    task: str
    seconds: float
    usual: float
    of: int
    """Successes that say what is usual."""

    @property
    def name(self) -> str:
        """The name for people."""
        return f"{self.pipeline}.{self.task}" if self.task else self.pipeline


@dataclass(frozen=True)
class Stale:
    """A run that loaded, and found nothing new at the source since an earlier business day than the day before."""

    pipeline: str
    run_id: str
    newest: datetime
    table: str


def slow(records: Sequence[AuditRecord], now: datetime, alerts: Alerts) -> list[Slow]:
    """Return what is slow of one pipeline: tasks, and runs none of whose tasks is.

    Args:
        records: Its launches of the last weeks, in order.
        now: The time.
        alerts: Says how much longer is too long.
    """
    records = [item for item in records if item.outcome != IDLE]
    tasks = {(item.run_id, item.key.label): item for item in records}  # of each task the last launch
    found = []
    for (run_id, task), record in tasks.items():
        if record.outcome == RUNNING:
            before = [_seconds(item) for item in tasks.values() if item.key.label == task and _good(item)]
            found += _judged(record.pipeline, run_id, task, now.timestamp() - record.launched_at, before, alerts)
    begun = _spans(records)
    before = [span.seconds for span in begun.values() if span.good]
    for run_id, span in begun.items():
        if span.running and run_id not in {item.run_id for item in found}:
            found += _judged(span.pipeline, run_id, "", now.timestamp() - span.began, before, alerts)
    return found


def stale(records: Iterable[AuditRecord], alerts: Alerts) -> list[Stale]:
    """Return the successful loads whose newest row at the source is older than `data_lag_days` business days."""
    found = []
    for record in records:
        newest = _newest(record)
        if newest is None or not _good(record):
            continue
        moment, table = newest
        if day_of(moment) < record.run_date - timedelta(days=alerts.data_lag_days):
            found.append(Stale(record.pipeline, record.run_id, moment, table))
    return found


@dataclass(frozen=True)
class _Span:
    """A run from its first launch on."""

    pipeline: str
    began: float
    ended: float
    running: bool
    good: bool

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def _spans(records: Iterable[AuditRecord]) -> Mapping[str, _Span]:
    runs: dict[str, list[AuditRecord]] = {}
    for record in records:
        runs.setdefault(record.run_id, []).append(record)
    return {run_id: _span(items) for run_id, items in runs.items()}


def _span(records: Sequence[AuditRecord]) -> _Span:
    last = {item.key.label: item for item in records}.values()
    return _Span(
        records[0].pipeline,
        min(item.launched_at for item in records),
        max(item.launched_at + _seconds(item) for item in records),
        running=any(item.outcome == RUNNING for item in last),
        good=all(_good(item) for item in last),
    )


def _judged(
    pipeline: str, run_id: str, task: str, seconds: float, before: Sequence[float], alerts: Alerts
) -> list[Slow]:
    last = before[-USUAL:]
    if len(last) < FEWEST:
        return []
    usual = median(last)
    limit = max(usual * alerts.slow_factor, alerts.slow_floor_minutes * 60)
    return [Slow(pipeline, run_id, task, seconds, usual, len(last))] if seconds > limit else []


def _good(record: AuditRecord) -> bool:
    return record.outcome == Outcome.SUCCESS


def _seconds(record: AuditRecord) -> float:
    """Return how long a launch that is over took."""
    if record.stopped_at is not None:
        return max(record.stopped_at - record.launched_at, 0.0)
    return record.seconds or 0.0


def _newest(record: AuditRecord) -> tuple[datetime, str] | None:
    """Return when the newest row at the source changed, and its table; None: this task does not look for it."""
    findings = (record.result or {}).get("quality") or []
    moments = [
        (datetime.fromisoformat(item["newest"]).astimezone(UTC), str(item.get("table")))
        for item in findings
        if isinstance(item, Mapping) and item.get("newest")
    ]
    return max(moments, default=None)
