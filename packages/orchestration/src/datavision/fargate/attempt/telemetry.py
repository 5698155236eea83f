"""How a launch appears in OpenLineage and OpenTelemetry: what its container is told, and the span of the launch.

A container gets the variables that OpenLineage's and OpenTelemetry's own libraries read, so that its jobs and spans
belong to Airflow's task and to the launch.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from datavision.config import Config
from datavision.fargate.attempt.job import Job
from datavision.fargate.edge.otlp import Span, send_spans
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Outcome


def variables(config: Config, job: Job, token: str) -> dict[str, str]:
    """Return the variables of a launch's container; none for what the configuration leaves off.

    Args:
        config: Says where lineage and traces go.
        job: The task instance.
        token: The launch's clientToken, of which the id of its span is made.
    """
    return {**_lineage(config, job), **_trace(config, job.origin.traceparent, token)}


def span_id(token: str) -> str:
    """Return the id of a launch's span, known before the container starts: sixteen hexadecimal digits."""
    return token[:16]


def send_launch(config: Config, launched: LaunchRecord, written: AuditRecord, task: Mapping[str, Any] | None) -> None:
    """Send the span of a launch that has ended, with its phases, if traces are on.

    Args:
        config: Says where traces go.
        launched: The launch.
        written: Its record.
        task: As `condensed` returns it; None: ECS forgot it.

    Raises:
        SendingError: The server did not take it.
    """
    if not config.opentelemetry.endpoint or not launched.traceparent:
        return
    phases = _phases(written, task or {})
    end = max([written.stopped_at or 0.0, written.launched_at, *(phase.end for phase in phases)])
    failed = written.outcome != Outcome.SUCCESS
    whole = Span(
        f"launch {written.key.label}",
        written.launched_at,
        end,
        _attributes(written),
        f"{written.outcome}: {written.reason or written.stop_code}" if failed else "",
    )
    send_spans(config.opentelemetry.endpoint, launched.traceparent, span_id(launched.token), whole, phases)


def _phases(written: AuditRecord, task: Mapping[str, Any]) -> list[Span]:
    moments = [
        ("launching", written.launched_at),
        ("pulling", task.get("pullStartedAt")),
        ("running", written.started_at),
        ("", written.stopped_at),
    ]
    known = [(name, max(float(at), written.launched_at)) for name, at in moments if at is not None]
    return [Span(name, begin, max(end, begin)) for (name, begin), (_, end) in pairwise(known)]


def _attributes(written: AuditRecord) -> dict[str, str | int | float]:
    known: dict[str, str | int | float | None] = {
        "datavision.pipeline": written.pipeline,
        "datavision.run_id": written.run_id,
        "datavision.module": written.module,
        "datavision.release": written.release,
        "datavision.try": written.try_number,
        "datavision.launch": written.launch,
        "datavision.outcome": written.outcome,
        "datavision.exit_code": written.exit_code,
        "datavision.cost_usd": written.cost_usd,
        "datavision.peak_mib": written.peak_mib,
        "datavision.memory_mib": written.memory,
        "datavision.cpu": written.cpu,
        "aws.ecs.task.arn": written.task_arn,
        "container.image.name": f"{written.image}:{written.tag}",
        "container.image.id": written.digest,
    }
    return {name: value for name, value in known.items() if value is not None}


def _trace(config: Config, traceparent: str, token: str) -> dict[str, str]:
    parts = traceparent.split("-")
    if not config.opentelemetry.endpoint or len(parts) != 4:
        return {}
    version, trace_id, _, flags = parts
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": config.opentelemetry.endpoint,
        "TRACEPARENT": f"{version}-{trace_id}-{span_id(token)}-{flags}",
    }


def _lineage(config: Config, job: Job) -> dict[str, str]:
    key, at = job.key, job.origin.at
    if not config.openlineage.url or at is None:
        return {}
    namespace = config.openlineage.namespace or f"datavision-{config.env}"
    # What Airflow's own OpenLineage provider would call them (apache-airflow-providers-openlineage, plugins/adapter.py:
    # build_task_instance_run_id and build_dag_run_id), so that the events of both belong together.
    task = _run_id(at, f"{namespace}.{key.dag_id}.{key.task_id}.{job.try_number}.{key.map_index}")
    run = _run_id(at, f"{namespace}.{key.dag_id}.{job.origin.clear_number}")
    parent = {
        **_reference(namespace, f"{key.dag_id}.{key.task_id}", task),
        "root": _reference(namespace, key.dag_id, run),
    }
    return {
        "OPENLINEAGE_URL": config.openlineage.url,
        "OPENLINEAGE_NAMESPACE": namespace,
        "OPENLINEAGE_CONTEXT": json.dumps({"parent": parent}),
    }


def _reference(namespace: str, job: str, run_id: str) -> dict[str, Any]:
    return {"run": {"runId": run_id}, "job": {"namespace": namespace, "name": job}}


def _run_id(at: datetime, text: str) -> str:
    from openlineage.client.uuid import generate_static_uuid

    return str(generate_static_uuid(at, text.encode()))
