"""The audit record of a launch, from what is known at its end; free of I/O."""

from collections.abc import Mapping
from typing import Any

from datavision.fargate.attempt.job import Job
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.cost import cost_usd
from datavision.fargate.outcome.results import Delivered, Delivery
from datavision.fargate.sizing.sizes import FargateSize

RUNNING = "running"
"""The outcome in a record that was written at the launch; the end of the container replaces it."""


def account_launch(job: Job, launched: LaunchRecord) -> AuditRecord:
    """Return the record of a launch whose container is on its way."""
    record = account(job, launched, Ending(Outcome.LOST), {}, None, "X86_64")
    return record.model_copy(update={"outcome": RUNNING})


def close(record: AuditRecord, ending: Ending, task: Mapping[str, Any], architecture: str) -> AuditRecord:
    """Return a record written at the launch with the end of its container in it."""
    seconds = _billed_seconds(task, None)
    size = FargateSize(record.cpu, record.memory)
    return record.model_copy(
        update={
            "outcome": ending.outcome.value,
            "stop_code": ending.stop_code,
            "reason": ending.reason,
            "exit_code": ending.exit_code,
            "reported_digest": ending.digest,
            "started_at": task.get("startedAt"),
            "stopped_at": task.get("stoppedAt"),
            "seconds": seconds,
            "cost_usd": _cost(size, seconds, architecture, record.capacity),
        }
    )


def account(
    job: Job,
    last: LaunchRecord,
    ending: Ending,
    task: Mapping[str, Any],
    delivery: Delivered,
    architecture: str,
) -> AuditRecord:
    """Return the record of launch `last`, whose condensed task is `task` (empty: ECS forgot it)."""
    good = delivery if isinstance(delivery, Delivery) else None
    billed = _billed_seconds(task, good)
    return AuditRecord(
        env=job.key.env,
        pipeline=job.key.dag_id,
        run_id=job.key.run_id,
        run_date=job.run_date,
        task_id=job.key.task_id,
        map_index=job.key.map_index,
        try_number=last.try_number,
        launch=last.launch,
        module=job.module,
        command=list(job.command),
        release=job.release,
        image=job.image.repository,
        tag=job.image.tag,
        digest=job.image.digest,
        reported_digest=ending.digest,
        task_definition=job.image.task_definition,
        task_arn=last.arn,
        cpu=last.cpu,
        memory=last.memory,
        why_size=last.why_size,
        capacity=last.market,
        subnet=last.request["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0],
        outcome=ending.outcome.value,
        stop_code=ending.stop_code,
        reason=ending.reason,
        exit_code=ending.exit_code,
        launched_at=last.intended_at,
        started_at=task.get("startedAt"),
        stopped_at=task.get("stoppedAt"),
        seconds=billed,
        cost_usd=_cost(last.size, billed, architecture, last.market),
        measured=good.measured() if good else None,
        result=good.result if good else None,
    )


def _cost(size: FargateSize, seconds: float, architecture: str, capacity: str) -> float:
    return cost_usd(size, seconds, architecture, spot=capacity == "spot") if seconds else 0.0


def _billed_seconds(task: Mapping[str, Any], delivery: Delivery | None) -> float:
    begin = task.get("pullStartedAt") or task.get("startedAt")
    end = task.get("stoppedAt") or task.get("executionStoppedAt")
    if begin is not None and end is not None:
        return round(float(end) - float(begin), 3)
    return round(delivery.wall_seconds, 3) if delivery else 0.0


def failed_checks(delivery: Delivered) -> tuple[str, ...]:
    """Return the failing checks in a result: ingesta's `quality` of level error, dbt's `tests_failed`."""
    result = delivery.result if isinstance(delivery, Delivery) else None
    if not result:
        return ()
    findings = [item for item in _mappings(result.get("quality")) if item.get("outcome") == "error"]
    tests = _mappings(result.get("tests_failed"))
    return (
        *(f"{item.get('table')}: {item.get('check')}: {item.get('detail')}" for item in findings),
        *(f"{item.get('name')}: {item.get('rows')} rows" for item in tests),
    )


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
