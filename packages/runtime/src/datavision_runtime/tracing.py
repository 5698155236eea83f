"""The trace of a module's command, sent over OTLP/HTTP where the container's variables say; nowhere without them.

The variables are OpenTelemetry's own: `OTEL_EXPORTER_OTLP_ENDPOINT`, and `TRACEPARENT` as the environment carries the
context (W3C trace context; OpenTelemetry specification, context, environment variable carriers).
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.saying import say

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OpenSpan
    from opentelemetry.trace import Tracer

SECONDS = 3.0
"""A command does not wait longer for a server that does not answer."""
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Span:
    """Something that took time; `start` and `end` are Unix seconds."""

    name: str
    start: float
    end: float
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    error: str = ""
    """Why it failed; empty: it did not."""


def send_trace(
    service: str, whole: Span, parts: Iterable[Span] = (), process: ProcessEnvironment | None = None
) -> None:
    """Send a command's span, below that of its launch, and those of its parts below its own; raises nothing.

    Args:
        service: The module's name.
        whole: The command.
        parts: What it did.
        process: What this process was told; without an endpoint and a parent nothing is sent.
    """
    told = process or ProcessEnvironment.current()
    if not told.otlp_endpoint or not told.traceparent:
        return
    try:
        _send(told.otlp_endpoint, told.traceparent, service, whole, parts)
    except Exception as error:  # noqa: BLE001 - whatever it was, the command's own work is done
        say(f"the trace was not sent to {told.otlp_endpoint}: {' '.join(str(error).split())[:300]}")


def _send(endpoint: str, traceparent: str, service: str, whole: Span, parts: Iterable[Span]) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    made, provider = InMemorySpanExporter(), TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer(service)
    above = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    command = _started(tracer, whole, above)
    for part in parts:
        _end(_started(tracer, part, set_span_in_context(command)), part)
    _end(command, whole)
    spans = made.get_finished_spans()
    if not spans:  # a run that Airflow did not sample
        return
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SECONDS)
    # Its own warnings, one for each try, would be a module's last log lines, which alerts show.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        say(f"the trace was not sent: {endpoint} does not take it")


def _started(tracer: "Tracer", span: Span, above: "Context") -> "OpenSpan":
    return tracer.start_span(
        span.name, above, start_time=round(span.start * _NANOSECONDS), attributes=dict(span.attributes)
    )


def _end(opened: "OpenSpan", span: Span) -> None:
    from opentelemetry.trace import StatusCode

    opened.set_status(StatusCode.ERROR if span.error else StatusCode.OK, span.error or None)
    opened.end(round(span.end * _NANOSECONDS))
