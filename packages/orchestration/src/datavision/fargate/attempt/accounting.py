"""The audit record of a launch, from what is known when it ends; free of I/O."""

from collections.abc import Mapping
from typing import Any

from datavision.config import Price
from datavision.fargate.attempt.job import Job
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Ending
from datavision.fargate.outcome.cost import cost_usd
from datavision.fargate.outcome.errors import FailedCheck
from datavision.fargate.outcome.results import Delivered, Delivery
from datavision.fargate.sizing.sizes import FargateSize

RUNNING = "running"
"""The outcome in a record written at launch; replaced when the container ends."""
IDLE = "idle"
"""The outcome in the record of what a shared container cost while no step of its ran: no launch, and no task."""


def account_launch(job: Job, launched: LaunchRecord, price: Price) -> AuditRecord:
    """Return the record of a launch whose container has just started: its outcome is not known yet."""
    return AuditRecord(
        env=job.key.env,
        pipeline=job.key.dag_id,
        run_id=job.key.run_id,
        run_date=job.run_date,
        run_type=job.asked.run_type,
        triggered_by=job.asked.user,
        params=dict(job.asked.conf),
        task_id=job.key.task_id,
        map_index=job.key.map_index,
        try_number=launched.try_number,
        launch=launched.launch,
        module=job.module,
        command=list(launched.command),
        release=job.release,
        image=job.image.repository,
        tag=job.image.tag,
        digest=job.image.digest,
        reported_digest=None,
        task_definition=job.image.task_definition,
        task_arn=launched.arn,
        shared=f"{job.session.name}/{launched.container}" if job.session else "",
        cpu=launched.cpu,
        memory=launched.memory,
        why_size=launched.why_size,
        capacity=launched.market,
        subnet=launched.request["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0],
        outcome=RUNNING,
        stop_code="",
        reason="",
        exit_code=None,
        launched_at=launched.intended_at,
        started_at=None,
        stopped_at=None,
        seconds=None,
        price=price,
        cost_usd=None,
        measured=None,
        result=None,
    )


def close(
    record: AuditRecord, ending: Ending, task: Mapping[str, Any] | None, delivery: Delivered = None
) -> AuditRecord:
    """Return the launch's record, completed with how its container ended.

    Args:
        record: From `account_launch`.
        ending: What became of the container.
        task: As `condensed` returns it; None: ECS forgot it.
        delivery: What the container left in the results bucket.
    """
    good, known = delivery if isinstance(delivery, Delivery) else None, task or {}
    seconds = _billed_seconds(record, known, good)
    return record.model_copy(
        update={
            "outcome": ending.outcome.value,
            "stop_code": ending.stop_code,
            "reason": ending.reason,
            "exit_code": ending.exit_code,
            "reported_digest": ending.digest,
            "started_at": known.get("startedAt"),
            "stopped_at": known.get("stoppedAt"),
            "seconds": seconds,
            "cost_usd": _cost(record, seconds),
            "measured": good.measured() if good else None,
            "result": good.result if good else None,
        }
    )


def _cost(record: AuditRecord, seconds: float | None) -> float | None:
    if record.price is None or seconds is None:
        return None
    size = FargateSize(record.cpu, record.memory)
    return cost_usd(size, seconds, record.price, spot=record.capacity == "spot", part=bool(record.shared))


def _billed_seconds(record: AuditRecord, task: Mapping[str, Any], delivery: Delivery | None) -> float | None:
    if task.get("billedSeconds") is not None:
        return float(task["billedSeconds"])
    begin = task.get("pullStartedAt") or task.get("startedAt")
    end = task.get("stoppedAt") or task.get("executionStoppedAt")
    if begin is not None and end is not None:
        # A step that was lost with its shared container did not begin before it was handed over.
        since = max(float(begin), record.launched_at) if record.shared else float(begin)
        return round(max(float(end) - since, 0.0), 3)
    return round(delivery.wall_seconds, 3) if delivery else None


def failed_checks(delivery: Delivered) -> tuple[FailedCheck, ...]:
    """Return the failing checks in a result: ingesta's `quality` of level error, dbt's `tests_failed`."""
    result = delivery.result if isinstance(delivery, Delivery) else None
    if not result:
        return ()
    findings = [item for item in _mappings(result.get("quality")) if item.get("outcome") == "error"]
    return (
        *(
            FailedCheck(f"{item.get('table')}: {item.get('check')}", str(item.get("detail")), sample=_sample(item))
            for item in findings
        ),
        *(
            FailedCheck(str(item.get("name")), rows=int(item.get("rows") or 0), sample=_sample(item))
            for item in _mappings(result.get("tests_failed"))
        ),
    )


def _sample(item: Mapping[str, Any]) -> tuple[str, ...]:
    found = item.get("sample")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
