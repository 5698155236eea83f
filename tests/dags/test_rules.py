"""Rules that every DAG of this repository follows."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from datavision.alerts import tell_failure, tell_recovery
from datavision.alerts.schedules import schedules_of

PIPELINES = ("pipeline_suscripciones", "pipeline_completo", "pipeline_fact_rfm")
DAG_IDS = (
    *PIPELINES,
    "ensayo_completo",
    "mantenimiento_auditoria",
    "mantenimiento_contenedores",
    "mantenimiento_demoras",
    "mantenimiento_presupuesto",
)
each_dag = pytest.mark.parametrize("dag_id", DAG_IDS)


def test_the_dags_are_the_known_ones(dags: dict[str, Any]) -> None:
    assert sorted(dags) == sorted(DAG_IDS)


@each_dag
def test_a_dag_is_a_runbook_that_says_what_when_writes_and_what_to_do_when_red(
    dags: dict[str, Any], dag_id: str
) -> None:
    for heading in ("**Qué hace.**", "**Cuándo.**", "**Qué escribe.**", "**Si está en rojo.**"):
        assert heading in dags[dag_id].doc_md


@each_dag
def test_a_dag_has_tags_an_owner_and_one_run_at_a_time_without_catch_up(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.tags
    assert dag.owner == "datos"
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@each_dag
def test_every_task_retries_after_5_minutes_doubling_up_to_30(dags: dict[str, Any], dag_id: str) -> None:
    for task in dags[dag_id].tasks:
        assert task.retries == 3
        assert task.retry_delay == timedelta(minutes=5)
        assert task.retry_exponential_backoff
        assert task.max_retry_delay == timedelta(minutes=30)


@each_dag
def test_every_task_tells_of_its_failure_and_recovery_but_not_of_retries(dags: dict[str, Any], dag_id: str) -> None:
    for task in dags[dag_id].tasks:
        assert task.on_failure_callback == [tell_failure]
        assert task.on_success_callback == [tell_recovery]
        assert not task.on_retry_callback


@each_dag
def test_every_task_has_an_execution_timeout(dags: dict[str, Any], dag_id: str) -> None:
    assert [task.task_id for task in dags[dag_id].tasks if task.execution_timeout is None] == []


@each_dag
def test_every_run_may_ask_for_another_release(dags: dict[str, Any], dag_id: str) -> None:
    assert dags[dag_id].params["release"] is None


def test_the_watchdog_reads_the_schedule_of_each_dag_that_launches_containers(
    dags: dict[str, Any], repository: Path
) -> None:
    launching = {name: dag for name, dag in dags.items() if not name.startswith("mantenimiento_")}
    scheduled = {name: dag.timetable.expression for name, dag in launching.items() if dag.schedule is not None}
    assert schedules_of(repository / "dags") == scheduled


def test_a_dag_file_has_less_than_80_lines(repository: Path) -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (repository / "dags").glob("*.py")}
    assert {name: length for name, length in lengths.items() if length >= 80} == {}


def test_a_dag_file_holds_no_logic_and_does_nothing_at_import(repository: Path) -> None:
    for path in (repository / "dags").glob("*.py"):
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While | ast.If | ast.Try)], path
        imported = {
            alias.name.split(".")[0]
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        }
        assert imported <= {"airflow", "datavision", "datetime", "typing", "dataclasses"}, path


def test_every_fargate_task_runs_its_pinned_image(dags: dict[str, Any]) -> None:
    tasks = [task for dag in dags.values() for task in dag.tasks if hasattr(task, "module")]
    assert len(tasks) == 14
    for task in tasks:
        assert task.image["release"] == "1.2.0"
        assert task.image["task_definition"] == f"datavision-local-{task.module}:7"
        assert task.deferrable
