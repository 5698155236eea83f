"""Sends spans over OTLP/HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OpenSpan

SECONDS = 3.0
"""A worker does not wait longer for a server that does not answer."""
_NANOSECONDS = 1_000_000_000


class SendingError(Exception):
    """The server did not take the spans."""


@dataclass(frozen=True)
class Span:
    """Something that took time; `start` and `end` are Unix seconds."""

    name: str
    start: float
    end: float
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    error: str = ""
    """Why it failed; empty: it did not."""


def send_spans(endpoint: str, traceparent: str, span_id: str, whole: Span, parts: Iterable[Span]) -> None:
    """Send a span below the one that `traceparent` names, and others below it.

    Args:
        endpoint: The server's address, without a path.
        traceparent: W3C's. A trace that is not sampled is not sent.
        span_id: Sixteen hexadecimal digits, known before the span's end to whoever works below it.
        whole: What has this id.
        parts: What is below it.

    Raises:
        SendingError: The server did not take them.
    """
    # Here, because it takes a tenth of a second to import, and few want it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = iter([int(span_id, 16)])

    class FirstGiven(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return next(given, 0) or super().generate_span_id()

    made = InMemorySpanExporter()
    provider = TracerProvider(id_generator=FirstGiven(), resource=Resource.create({"service.name": "datavision"}))
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer("datavision.fargate")

    def opened(span: Span, context: "Context") -> "OpenSpan":
        return tracer.start_span(
            span.name, context, start_time=round(span.start * _NANOSECONDS), attributes=dict(span.attributes)
        )

    above = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    launch = opened(whole, above)
    for part in parts:
        _end(opened(part, set_span_in_context(launch)), part)
    _end(launch, whole)
    spans = made.get_finished_spans()
    if not spans:
        return
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SECONDS)
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        raise SendingError(f"{endpoint} does not take spans. Check opentelemetry.endpoint.")


def _end(opened: "OpenSpan", span: Span) -> None:
    from opentelemetry.trace import StatusCode

    opened.set_status(StatusCode.ERROR if span.error else StatusCode.OK, span.error or None)
    opened.end(round(span.end * _NANOSECONDS))
