"""The audit record of a launch, from what is known at its end; free of I/O."""

from collections.abc import Mapping
from typing import Any

from datavision.fargate.audit import AuditRecord
from datavision.fargate.classify import Ending
from datavision.fargate.cost import cost_usd
from datavision.fargate.job import Job
from datavision.fargate.record import LaunchRecord
from datavision.fargate.results import BadDelivery, Delivery


def account(
    job: Job,
    last: LaunchRecord,
    ending: Ending,
    task: Mapping[str, Any],
    delivery: Delivery | BadDelivery | None,
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
        cost_usd=cost_usd(last.size, billed, architecture, spot=last.market == "spot") if billed else 0.0,
        measured=good.measured() if good else None,
        result=good.result if good else None,
    )


def _billed_seconds(task: Mapping[str, Any], delivery: Delivery | None) -> float:
    begin = task.get("pullStartedAt") or task.get("startedAt")
    end = task.get("stoppedAt") or task.get("executionStoppedAt")
    if begin is not None and end is not None:
        return round(float(end) - float(begin), 3)
    return round(delivery.wall_seconds, 3) if delivery else 0.0


def failed_checks(delivery: Delivery | BadDelivery | None) -> tuple[str, ...]:
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
