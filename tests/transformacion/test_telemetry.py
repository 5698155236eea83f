"""What dbt's commands tell of lineage and time, received by a real server."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.receivers import Received, deaf_server, receiver
from typer.testing import CliRunner, Result

from transformacion import telemetry
from transformacion.cli import app
from transformacion.columns import origins

AIRFLOW_TASK, AIRFLOW_RUN = "019353f1-0000-7000-8000-000000000001", "019353f1-0000-7000-8000-000000000002"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {
    "run": {"runId": AIRFLOW_TASK},
    "job": {"namespace": "datavision-dev", "name": "pipeline_suscripciones.marts"},
    "root": {
        "run": {"runId": AIRFLOW_RUN},
        "job": {"namespace": "datavision-dev", "name": "pipeline_suscripciones"},
    },
}


@pytest.fixture(scope="module", autouse=True)
def business(lake: Any, random_business: Callable[[int, int], Any]) -> None:
    lake.load(random_business(5, 60))


@pytest.fixture(scope="module")
def built(lake: Any, business: None) -> Iterator[Received]:
    """What was received of a whole build."""
    with pytest.MonkeyPatch.context() as patch, receiver() as received:
        assert command(patch, received.url, "build").exit_code == 0
        yield received


def command(patch: pytest.MonkeyPatch, url: str, *arguments: str) -> Result:
    variables = {
        "OPENLINEAGE_URL": url,
        "OPENLINEAGE_NAMESPACE": "datavision-dev",
        "OPENLINEAGE_CONTEXT": json.dumps({"parent": PARENT}),
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "TRACEPARENT": f"00-{TRACE}-{SPAN}-01",
    }
    for name, value in variables.items():
        patch.setenv(name, value)
    return CliRunner().invoke(app, list(arguments))


def outputs(received: Received) -> dict[str, Any]:
    """The job's inputs and the output of each table that was written, by its name."""
    ended = [event for event in received.events if event["eventType"] == "COMPLETE" and event["outputs"]]
    return {event["outputs"][0]["name"]: (event["inputs"], event["outputs"][0]) for event in ended}


@pytest.mark.slow
def test_each_table_says_which_stored_tables_it_was_made_of(lake: Any, built: Received) -> None:
    found = outputs(built)
    read = {name: {item["name"] for item in inputs} for name, (inputs, _) in found.items()}
    assert read["lake.staging.stg_contents"] == {
        "lake.raw_datavision.contents",
        "lake.raw_datavision.content_attributes",
    }
    assert read["lake.marts.dim_cuentas_base"] == {"lake.snapshots.snp_cuentas"}
    assert {"lake.staging.stg_subscription_payments", "lake.marts.segmentos_rfm"} <= read["lake.marts.fact_rfm"]
    assert not [name for names in read.values() for name in names if ".int_" in name], "ephemeral models are no tables"
    catalog = lake.settings.catalog
    namespaces = {item["namespace"] for inputs, output in found.values() for item in (*inputs, output)}
    assert namespaces == {f"ducklake://{catalog.host}:{catalog.port}/{catalog.database}"}


@pytest.mark.slow
def test_each_column_says_which_columns_it_was_made_of(built: Received) -> None:
    fields = outputs(built)["lake.marts.fact_rfm"][1]["facets"]["columnLineage"]["fields"]
    found = {(item["name"], item["field"]) for item in fields["ultima_actividad"]["inputFields"]}
    assert found == {
        ("lake.staging.stg_account_premium_features", "fecha_compra"),
        ("lake.raw_datavision.contents", "created_at"),
        ("lake.staging.stg_subscription_payments", "fecha_pago"),
    }


@pytest.mark.slow
def test_every_node_belongs_to_the_command_and_the_command_to_airflows_task(built: Received) -> None:
    command_, *nodes = built.events
    assert built.events[-1]["job"]["name"] == command_["job"]["name"] == "transformacion.build"
    parent = command_["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (AIRFLOW_TASK, "pipeline_suscripciones.marts")
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in nodes[:-1]} == {command_["run"]["runId"]}
    roots = {event["run"]["facets"]["parent"]["root"]["run"]["runId"] for event in built.events}
    assert roots == {AIRFLOW_RUN}
    facets = [item["inputFacets"] for event in nodes for item in event["inputs"] if item.get("inputFacets")]
    assert {check["success"] for each in facets for check in each["dataQualityAssertions"]["assertions"]} == {True}


@pytest.mark.slow
def test_each_node_is_a_span_below_its_command_and_the_command_below_its_launch(built: Received) -> None:
    *nodes, whole = built.spans
    assert (whole.name, whole.trace_id.hex(), whole.parent_span_id.hex()) == ("transformacion.build", TRACE, SPAN)
    assert {span.parent_span_id for span in nodes} == {whole.span_id}
    assert {"stg_accounts", "snp_cuentas", "fact_rfm", "segmentos_rfm"} <= {span.name for span in nodes}
    assert all(whole.start_time_unix_nano <= span.start_time_unix_nano for span in nodes)
    assert all(span.end_time_unix_nano <= whole.end_time_unix_nano for span in nodes)


def test_a_failed_test_is_told_as_one(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "lake.raw_datavision.accounts where account_id = 1"
    lake.execute(f"insert into lake.raw_datavision.accounts from {where}")
    with receiver() as received:
        done = command(monkeypatch, received.url, "test", "--select", "source:raw_datavision.accounts")
    lake.execute(f"delete from {where} and rowid = (select max(rowid) from {where})")
    assert done.exit_code == 3
    assert received.events[-1]["eventType"] == "FAIL"
    (bad,) = (span for span in received.spans if span.status.code == 2 and span.name != "transformacion.test")
    assert bad.name == "source_unique_raw_datavision_accounts_account_id"


def test_a_command_that_has_no_lineage_of_its_own_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as received:
        command(monkeypatch, received.url, "source-freshness", "--select", "source:raw_datavision.accounts")
    assert [event["job"]["name"] for event in received.events] == ["transformacion.source freshness"] * 2
    assert [span.name for span in received.spans] == ["raw_datavision.accounts", "transformacion.source freshness"]


def test_what_dbts_artifacts_do_not_tell_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("metadata")

    monkeypatch.setattr(telemetry, "dbt_events", broken)
    with receiver() as received:
        done = command(monkeypatch, received.url, "test", "--select", "source:raw_datavision.accounts")
    assert done.exit_code == 0
    assert "dbt's lineage cannot be told: 'metadata'" in done.output
    assert [event["eventType"] for event in received.events] == ["START", "COMPLETE"]


def test_a_report_that_fails_is_told_with_its_reason(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_REPORTS__PATH", "/proc/none")
    with receiver() as received:
        assert command(monkeypatch, received.url, "reporte").exit_code != 0
    assert [event["eventType"] for event in received.events] == ["START", "FAIL"]
    (span,) = received.spans
    assert span.name == "transformacion.reporte"
    assert span.status.message


def test_a_server_that_does_not_answer_holds_nothing_up_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("test", "--select", "source:raw_datavision.accounts")
    with deaf_server() as url:
        done = command(monkeypatch, url, *arguments)
    assert done.exit_code == 0
    assert "the lineage was not sent" in done.output
    assert "the trace was not sent" in done.output


def test_a_column_is_followed_through_stars_unions_and_windows() -> None:
    schema = {"lake": {"a": {"t": {"x": "int", "y": "int"}, "u": {"x": "int", "y": "int"}}}}
    query = """
    with t as (select * from "lake"."a"."t"), u as (select * from "lake"."a"."u"),
    alles as (select * from t union all select * from u)
    select x as k, sum(y) over (partition by x) as s, 1 as one from alles
    """
    assert origins(query, schema) == {
        "k": [("lake.a.t", "x"), ("lake.a.u", "x")],
        "s": [("lake.a.t", "x"), ("lake.a.t", "y"), ("lake.a.u", "x"), ("lake.a.u", "y")],
    }
    assert origins("select from where", schema) == {}
