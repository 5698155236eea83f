"""What a command sends of lineage and time: to whom, below what, and for how long it tries."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.receivers import Received, receiver

from datavision_runtime import lineage
from datavision_runtime.lineage import Lineage
from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.tracing import Span, send_trace

WHOLE = Span("load", 100.0, 103.5)


@pytest.fixture
def received() -> Iterator[Received]:
    with receiver() as found:
        yield found


def told(**variables: str) -> ProcessEnvironment:
    return ProcessEnvironment.of(variables)


def test_lineage_is_off_without_a_server() -> None:
    assert Lineage.current(told(OPENLINEAGE_NAMESPACE="n")) is None


@pytest.mark.parametrize("context", ["", "{", "[]", "{}", '{"parent": {"run": {}}}'])
def test_a_parent_that_cannot_be_read_is_none_and_keeps_no_event_back(received: Received, context: str) -> None:
    found = Lineage.current(told(OPENLINEAGE_URL=received.url, OPENLINEAGE_CONTEXT=context))
    assert found is not None
    found.send(found.job("load", 100.0, succeeded=True))
    assert ["parent" in event["run"]["facets"] for event in received.events] == [False, False]


def test_events_that_take_too_long_are_left_out(
    received: Received, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lineage, "TOTAL_SECONDS", -1.0)
    found = Lineage(received.url, "n")
    found.send(found.job("load", 100.0, succeeded=True))
    assert received.events == []
    assert "the lineage was not sent to its end" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "names"), [("01", ["read", "load"]), ("00", [])])
def test_a_trace_is_sent_with_its_times_if_its_run_is_sampled(received: Received, flags: str, names: list[str]) -> None:
    process = told(OTEL_EXPORTER_OTLP_ENDPOINT=received.url, TRACEPARENT=f"00-{'a' * 32}-{'b' * 16}-{flags}")
    send_trace("ingesta", WHOLE, [Span("read", 101.0, 102.0, error="no rows")], process)
    assert [span.name for span in received.spans] == names
    assert len(received.bodies) == (1 if names else 0)
    for span in received.spans:
        times: dict[str, Any] = {"read": (101.0, 102.0), "load": (100.0, 103.5)}
        assert (span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9) == times[span.name]
        assert span.status.message == ("no rows" if span.name == "read" else "")


@pytest.mark.parametrize("process", [told(), told(TRACEPARENT="x"), told(OTEL_EXPORTER_OTLP_ENDPOINT="http://x")])
def test_without_a_server_or_a_parent_there_is_no_trace(
    process: ProcessEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    send_trace("ingesta", WHOLE, process=process)
    assert capsys.readouterr().err == ""


def test_an_address_that_is_none_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    send_trace("ingesta", WHOLE, process=told(OTEL_EXPORTER_OTLP_ENDPOINT="no-address", TRACEPARENT=traceparent))
    Lineage("no-address", "n").send(Lineage("no-address", "n").job("load", 100.0, succeeded=False))
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" was ")[0] for line in said] == ["datavision-run: the trace", "datavision-run: the lineage"]
