"""What a run tells while it runs: one trace from the DAG run to dbt's nodes, lineage, metrics, and the data tests."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Platform

from transformacion.runner import list_nodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = "pipeline_suscripciones"


@pytest.fixture(scope="module")
def run_id(platform: Platform) -> str:
    """A run whose trace has come to its end."""
    found: str = platform.run(PIPELINE)["run_id"]
    eventually(lambda: [span for span in spans(platform, found) if span.name.startswith("dag_run.")])
    return found


def eventually(found: Callable[[], Any]) -> Any:
    """Airflow sends in batches, and the run's own span when the scheduler has seen its end."""
    for _ in range(300):
        if answer := found():
            return answer
        time.sleep(0.2)
    raise AssertionError("it was not received")


def spans(platform: Platform, run_id: str) -> list[Any]:
    received = platform.received.spans
    traces = {
        span.trace_id
        for span in received
        for item in span.attributes
        if item.key == "datavision.run_id" and item.value.string_value == run_id
    }
    return [span for span in received if span.trace_id in traces]


@pytest.mark.parametrize(
    ("leaf", "chain"),
    [
        ("accounts", ["ingesta", "launch ingesta", "task_run.ingesta"]),
        ("stg_accounts", ["transformacion.build", "launch staging", "task_run.staging"]),
        ("dim_cuentas", ["transformacion.build", "launch marts", "task_run.marts"]),
    ],
)
def test_one_trace_leads_from_the_run_through_launch_and_container_to_each_node(
    platform: Platform, run_id: str, leaf: str, chain: list[str]
) -> None:
    found = spans(platform, run_id)
    assert len({span.trace_id for span in found}) == 1
    by_id = {span.span_id: span for span in found}
    (span,) = (span for span in found if span.name == leaf)
    names = []
    while span := by_id.get(span.parent_span_id):
        names.append(span.name)
    assert names == [*chain, f"dag_run.{PIPELINE}"]


def test_lineage_leads_from_the_source_to_the_marts_under_one_run(platform: Platform, run_id: str) -> None:
    ended = [event for event in platform.received.events if event["eventType"] == "COMPLETE"]
    roots = {event["run"]["facets"]["parent"]["root"]["job"]["name"] for event in ended}
    assert PIPELINE in roots
    made_of = {output["name"]: event["inputs"] for event in ended for output in event["outputs"]}
    name, seen = "lake.marts.dim_cuentas_base", []
    while name in made_of:
        seen.append(name)
        name = made_of[name][0]["name"]
    assert seen == [
        "lake.marts.dim_cuentas_base",
        "lake.snapshots.snp_cuentas",
        "lake.staging.stg_accounts",
        "lake.raw_datavision.accounts",
    ]
    assert name.endswith(".public.accounts")


def test_airflows_metrics_and_ours_arrive(platform: Platform, run_id: str) -> None:
    wanted = {"airflow.scheduler_heartbeat", "airflow.datavision.launches", "airflow.datavision.launch.cost_usd"}
    eventually(lambda: wanted <= platform.received.metrics)


def test_every_data_test_of_the_run_is_kept(
    platform: Platform, run_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # dbt wants a lakehouse even for a list, and opens none.
    monkeypatch.setenv("DATAVISION_LAKEHOUSE__CATALOG_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("DATAVISION_LAKEHOUSE__DATA_PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    query = (
        f"select tarea, count(*) as n from calidad.pruebas where run_id = '{run_id}' and resultado = 'ok' group by 1"
    )
    kept = {row["tarea"]: row["n"] for row in platform.sql(query)}
    with_freshness = ["accounts", "accounts_subscription", "contents", "subscription_payments"]
    assert kept.pop("frescura") == len(with_freshness)
    assert kept == {
        step: len(list_nodes([*selection, "--resource-type", "test"]))
        for step, selection in {
            "fuentes": ["--select", "source:raw_datavision"],
            "staging": ["--select", "staging", "--exclude", "source:raw_datavision"],
            "marts": ["--select", "marts", "--exclude", "fact_rfm"],
        }.items()
    }
