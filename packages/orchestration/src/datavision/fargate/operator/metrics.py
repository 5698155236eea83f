"""What launches add to Airflow's metrics, which go where `[metrics]` says."""

from airflow.sdk.observability.stats import gauge, incr, timing

from datavision.fargate.outcome.audit import AuditRecord


def count(record: AuditRecord) -> None:
    """Count a launch that has ended: how it ended, how long it was billed, what it cost, its memory.

    Args:
        record: Of the launch.
    """
    about = {"pipeline": record.pipeline, "task": record.task_id, "module": record.module}
    incr("datavision.launches", tags={**about, "outcome": record.outcome})
    if record.seconds is not None:
        timing("datavision.launch.duration", record.seconds * 1000, tags=about)
    for name, value in {"cost_usd": record.cost_usd, "peak_mib": record.peak_mib}.items():
        if value is not None:
            gauge(f"datavision.launch.{name}", value, tags=about)
