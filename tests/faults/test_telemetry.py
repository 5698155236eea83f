"""A launch in OpenLineage and OpenTelemetry: what its container is told, and the spans that a real server receives."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.receivers import Received, deaf_server, receiver

Make = Callable[..., Any]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOLD = (
    'python -c "import os; from datavision_runtime import write_result; write_result({k: v for k, v in '
    "os.environ.items() if k.startswith(('OPENLINEAGE', 'OTEL', 'TRACE'))})\""
)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """What a server gets that the configuration names."""
    with receiver() as found:
        monkeypatch.setenv("DATAVISION_OPENLINEAGE__URL", found.url)
        monkeypatch.setenv("DATAVISION_OPENTELEMETRY__ENDPOINT", found.url)
        yield found


def traced(task: Any) -> Any:
    task.traceparent = f"00-{TRACE}-{SPAN}-01"
    return task


def test_the_container_works_below_its_launch_and_the_launch_below_airflows_task(
    airflow: Make, received: Received, mode: str
) -> None:
    done = traced(airflow(TOLD, mode)).run()
    *phases, launch = received.spans
    assert done.xcom["TRACEPARENT"] == f"00-{TRACE}-{launch.span_id.hex()}-01"
    assert done.xcom["OTEL_EXPORTER_OTLP_ENDPOINT"] == received.url
    assert (launch.name, launch.trace_id.hex(), launch.parent_span_id.hex()) == ("launch ingesta", TRACE, SPAN)
    assert [span.name for span in phases] == (["launching", "running"] if mode == "shared" else PHASES)
    assert {span.parent_span_id for span in phases} == {launch.span_id}
    assert launch.start_time_unix_nano == phases[0].start_time_unix_nano
    assert launch.end_time_unix_nano == phases[-1].end_time_unix_nano
    about = {item.key: item.value for item in launch.attributes}
    assert about["aws.ecs.task.arn"].string_value == done.audit.task_arn
    assert about["datavision.outcome"].string_value == "success"


PHASES = ["launching", "pulling", "running"]


def test_lineage_names_the_run_as_airflows_own_provider_would(airflow: Make, received: Received) -> None:
    done = airflow(TOLD).run()
    assert done.xcom["OPENLINEAGE_URL"] == received.url
    namespace = "datavision-local"
    assert json.loads(done.xcom["OPENLINEAGE_CONTEXT"])["parent"] == {
        # OpenLineageAdapter.build_task_instance_run_id and build_dag_run_id of apache-airflow-providers-openlineage
        # 2.20.3 gave these for the rig's run, which was due on 2026-11-23 at 12:00 UTC.
        "run": {"runId": "01a20846-fe00-7484-8eb2-80456661dfdd"},
        "job": {"namespace": namespace, "name": "pipeline_suscripciones.ingesta"},
        "root": {
            "run": {"runId": "01a20846-fe00-7494-9991-34805215a8e0"},
            "job": {"namespace": namespace, "name": "pipeline_suscripciones"},
        },
    }


def test_each_launch_of_a_try_has_a_span_of_its_own_that_says_how_it_ended(
    airflow: Make, received: Received, platform: Any
) -> None:
    platform.fargate.add_fault("cannot-pull", message="CannotPullContainerError: i/o timeout", times=1)
    traced(airflow(TOLD, "triggerer")).run()
    first, second = (span for span in received.spans if span.name == "launch ingesta")
    assert first.span_id != second.span_id
    assert first.parent_span_id == second.parent_span_id
    assert "CannotPullContainerError" in first.status.message
    assert second.status.message == ""


def test_servers_that_do_not_answer_fail_nothing(
    airflow: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with deaf_server() as url:
        monkeypatch.setenv("DATAVISION_OPENTELEMETRY__ENDPOINT", url)
        task = traced(airflow(TOLD))
        assert task.run().audit.outcome == "success"
    assert f"Could not send the launch's span: {url} does not take spans. Check opentelemetry.endpoint." in task.said


def test_a_run_that_airflow_does_not_sample_has_no_span_of_ours(airflow: Make, received: Received) -> None:
    task = airflow(TOLD)
    task.traceparent = f"00-{TRACE}-{SPAN}-00"
    assert task.run().xcom["TRACEPARENT"].endswith("-00")
    assert received.bodies == []


@pytest.mark.parametrize("on", [True, False], ids=["airflow", "ours"])
def test_a_trace_needs_airflows_span_and_our_endpoint(
    airflow: Make, received: Received, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    monkeypatch.delenv("DATAVISION_OPENLINEAGE__URL")
    if on:
        monkeypatch.delenv("DATAVISION_OPENTELEMETRY__ENDPOINT")
    task = airflow(TOLD)
    assert (traced(task) if on else task).run().xcom.keys() == {"measured"}
    assert received.bodies == []
