"""The pipelines as the business describes them."""

import copy
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.pins import write_pin

from datavision.params import ParamError, own_params
from datavision.pins import Pin


def command(dags: dict[str, Any], dag_id: str, task_id: str, **arguments: Any) -> list[str]:
    parts: list[str] = dags[dag_id].get_task(task_id).python_callable(**arguments)
    return parts


def order(dag: Any) -> list[str]:
    return [task.task_id for task in dag.topological_sort()]


def test_the_daily_pipeline_runs_at_nine_in_buenos_aires(dags: dict[str, Any]) -> None:
    timetable = dags["pipeline_suscripciones"].timetable
    assert (timetable.expression, str(timetable.timezone)) == ("0 9 * * *", "America/Argentina/Buenos_Aires")


def test_the_daily_pipeline_goes_from_ingestion_to_report_in_order(dags: dict[str, Any]) -> None:
    found = order(dags["pipeline_suscripciones"])
    assert set(found[:2]) == {"ingesta", "preparacion"}
    assert set(found[2:4]) == {"fuentes", "frescura"}
    assert found[4:] == ["staging", "snapshots", "marts", "reporte"]
    for checks in ("fuentes", "frescura"):
        assert dags["pipeline_suscripciones"].get_task(checks).upstream_task_ids == {"ingesta", "preparacion"}


def test_what_follows_the_ingestion_shares_one_container(dags: dict[str, Any]) -> None:
    sessions = {task.task_id: task.session for task in dags["pipeline_suscripciones"].tasks}
    assert sessions.pop("ingesta") is None
    assert {session["name"] for session in sessions.values()} == {"transformacion"}


def test_the_daily_pipeline_alerts_when_it_is_not_done_by_ten(dags: dict[str, Any]) -> None:
    (alert,) = dags["pipeline_suscripciones"].deadline
    assert alert.interval.total_seconds() == 3600
    assert alert.reference.reference_name == "DagRunLogicalDateDeadline"


def test_the_daily_commands_are_those_of_the_modules(dags: dict[str, Any]) -> None:
    commands = {task.task_id: task.python_callable() for task in dags["pipeline_suscripciones"].tasks}
    assert commands == {
        "ingesta": [
            "python",
            "/app/ingesta/ingesta_datavision.py",
            "--env",
            "local",
            "--validar-calidad-datos",
        ],
        "preparacion": ["transformacion", "doctor", "--env", "local"],
        "fuentes": ["transformacion", "test", "--env", "local", "--select", "source:raw_datavision"],
        "frescura": ["transformacion", "source-freshness", "--env", "local"],
        "staging": [
            *("transformacion", "build", "--env", "local"),
            *("--select", "staging", "--exclude", "source:raw_datavision"),
        ],
        "snapshots": ["transformacion", "snapshot", "--env", "local"],
        "marts": ["transformacion", "build", "--env", "local", "--select", "marts", "--exclude", "fact_rfm"],
        "reporte": ["transformacion", "reporte", "--env", "local"],
    }


def test_the_daily_tables_are_assets(dags: dict[str, Any]) -> None:
    names = {outlet.name for task in dags["pipeline_suscripciones"].tasks for outlet in task.outlets}
    assert {"raw_datavision.accounts", "marts.dim_cuentas", "marts.fact_suscripciones_cuentas"} <= names


def test_the_complete_pipeline_runs_twice_a_year_and_runs_both_others_in_order(dags: dict[str, Any]) -> None:
    dag = dags["pipeline_completo"]
    assert dag.timetable.expression == "0 0 1 1,7 *"
    assert order(dag) == ["pipeline_suscripciones", "pipeline_fact_rfm"]
    for task in dag.tasks:
        assert (task.trigger_dag_id, task.wait_for_completion, task.deferrable) == (task.task_id, True, True)


def test_the_rehearsal_runs_each_weeks_doctors_at_once_and_writes_nothing(dags: dict[str, Any]) -> None:
    dag = dags["ensayo_completo"]
    assert dag.timetable.expression == "0 6 * * 1"
    assert all(not task.upstream_task_ids and not task.outlets for task in dag.tasks)
    ingesta = ["python", "/app/ingesta/ingesta_datavision.py", "--env", "local", "doctor"]
    assert command(dags, "ensayo_completo", "ingesta") == ingesta
    assert command(dags, "ensayo_completo", "transformacion") == ["transformacion", "doctor", "--env", "local"]


def test_the_rehearsal_selects_what_the_form_of_rfm_builds_by_default(dags: dict[str, Any]) -> None:
    form = dags["pipeline_fact_rfm"].params.dump()
    dag_run = SimpleNamespace(run_after=datetime(2026, 7, 1, 3, tzinfo=UTC))
    built = command(dags, "pipeline_fact_rfm", "fact_rfm", params=form, dag_run=dag_run)
    listed = command(dags, "ensayo_completo", "seleccion_rfm")
    assert listed[:2] == ["transformacion", "list"]
    assert listed[2:] == built[built.index("--select") : built.index("--fecha-rfm")]


def test_the_rehearsal_runs_the_images_of_the_pipelines_that_it_rehearses(
    dags_folder: Path, configured: None, make_pin: Callable[[str], Pin], tmp_path: Path
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    folder = tmp_path / "dags"
    shutil.copytree(dags_folder, folder)
    write_pin(folder, "local", "pipeline_fact_rfm", make_pin("1.3.0"))
    bag = DagBag(dag_folder=str(folder / "ensayo_completo.py"), bundle_path=folder)
    assert bag.import_errors == {}
    tasks: list[Any] = bag.dags["ensayo_completo"].tasks
    releases = {task.task_id: task.image["release"] for task in tasks}
    assert releases == {"ingesta": "1.2.0", "transformacion": "1.2.0", "seleccion_rfm": "1.3.0"}


def test_the_rfm_pipeline_has_no_schedule_and_a_form(dags: dict[str, Any]) -> None:
    dag = dags["pipeline_fact_rfm"]
    assert dag.schedule is None
    assert dict(dag.params) == {"fecha_rfm": None, "modelos": "fact_rfm+", "reconstruir": False, "release": None}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"fecha_rfm": "2026-07-01", "modelos": "fact_rfm+", "reconstruir": False},
            ["--select", "segmentos_rfm", "fact_rfm+", "--fecha-rfm", "2026-07-01"],
        ),
        (
            {"fecha_rfm": None, "modelos": "fact_rfm dim_cuentas", "reconstruir": True},
            ["--select", "segmentos_rfm", "fact_rfm", "dim_cuentas", "--fecha-rfm", "2026-06-30", "--reconstruir"],
        ),
    ],
)
def test_the_form_becomes_the_command_also_in_a_manual_run_without_logical_date(
    dags: dict[str, Any], params: dict[str, Any], expected: list[str]
) -> None:
    # 01:00 UTC is still the day before in Buenos Aires.
    dag_run = SimpleNamespace(run_after=datetime(2026, 7, 1, 1, tzinfo=UTC), logical_date=None)
    found = command(dags, "pipeline_fact_rfm", "fact_rfm", params=params, dag_run=dag_run)
    assert found == ["transformacion", "build", "--env", "local", *expected]


BAD: dict[str, list[Any]] = {
    "fecha_rfm": ["2026-13-01", "yesterday", 20260701, "0001-01-01", "9999-12-31", "2026-07-01T00:00", ""],
    "modelos": [
        *("--threads 8", "fact_rfm --threads 8", "-s", "fact_rfm -x", "", " ", "a;b", "$(x)", "fact_rfm\n--threads 8"),
        *(["fact_rfm"], None, 3, "fact_rfm,--threads", "+--threads", "tag:--x", "a" * 1001),
    ],
    "release": ["latest", "1.2", "--x", "../1.2.3", "1.2.3/x", 1, "01.2.3"],
    "reconstruir": ["yes", 1, None],
}
GOOD: dict[str, list[Any]] = {
    "fecha_rfm": [None, "2026-07-01"],
    "modelos": [
        *("fact_rfm+", "+fact_rfm", "2+fact_rfm+3", "@fact_rfm", "tag:rfm", "path:models/marts", "models/marts/a.sql"),
        *("config.materialized:table", "state:modified+", "source:raw_datavision.accounts+", "a b", "tag:x,staging"),
        *("source:*", "test_type:unit", "dim_[abc]*", "resource_type:snapshot"),
    ],
    "release": [None, "", "1.2.3", "v1.2.3"],
    "reconstruir": [True, False],
}


def form_field(dags: dict[str, Any], name: str) -> Any:
    """A copy, for a field keeps what it resolved."""
    return copy.deepcopy(dags["pipeline_fact_rfm"].params.get_param(name))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_the_form_refuses_before_the_run_exists_what_its_command_could_not_take(
    dags: dict[str, Any], name: str, value: Any
) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        form_field(dags, name).resolve(value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_the_form_takes_days_selectors_and_releases(dags: dict[str, Any], name: str, value: Any) -> None:
    assert form_field(dags, name).resolve(value) == value


def test_the_form_offers_models_that_the_project_has(dags: dict[str, Any]) -> None:
    from transformacion.workspace import PROJECT

    field = form_field(dags, "modelos")
    assert field.value == field.schema["examples"][0]
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    for choice in field.schema["examples"]:
        assert field.resolve(choice) == choice
        assert {model.removesuffix("+") for model in choice.split()} <= models


def test_the_form_and_the_modules_command_line_have_one_grammar() -> None:
    from datavision.dags import SELECTION
    from transformacion import selection

    assert SELECTION == selection.SELECTION


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"modelos": "--threads 8"}, "'--threads 8' is not a valid value of the parameter modelos"),
        ({"fecha_rfm": "yesterday"}, "'yesterday' is not a valid value of the parameter fecha_rfm"),
        ({"fecha": "2026-07-01"}, "pipeline_fact_rfm has no parameter 'fecha'. Use one of: fecha_rfm, modelos"),
    ],
)
def test_a_run_is_refused_in_one_sentence_before_it_is_triggered(
    dags: dict[str, Any], conf: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParamError, match=re.escape(sentence)) as raised:
        own_params({"pipeline_fact_rfm": form(dags["pipeline_fact_rfm"])}, conf)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


def test_each_of_several_pipelines_gets_the_parameters_that_its_form_has(dags: dict[str, Any]) -> None:
    forms = {name: form(dags[name]) for name in ("pipeline_suscripciones", "pipeline_fact_rfm")}
    assert own_params(forms, {"fecha_rfm": "2026-07-01", "release": "1.2.3"}) == {
        "pipeline_suscripciones": {"release": "1.2.3"},
        "pipeline_fact_rfm": {"fecha_rfm": "2026-07-01", "release": "1.2.3"},
    }


def form(dag: Any) -> dict[str, Any]:
    """A DAG's parameters as Airflow's API gives them, after JSON."""
    found: dict[str, Any] = json.loads(json.dumps({name: dag.params.get_param(name).dump() for name in dag.params}))
    return found


@pytest.mark.parametrize(
    ("pipeline", "now", "expected"),
    [
        ("pipeline_suscripciones", datetime(2026, 11, 23, 11, 59, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("pipeline_suscripciones", datetime(2026, 11, 23, 12, 1, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("pipeline_completo", datetime(2026, 7, 2, tzinfo=UTC), datetime(2027, 1, 1, 3, tzinfo=UTC)),
    ],
)
def test_a_pipeline_seen_for_the_first_time_waits_for_its_next_turn(
    pipeline: str, now: datetime, expected: datetime, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable
    from airflow.timetables import trigger
    from airflow.timetables.base import TimeRestriction

    monkeypatch.setattr(trigger, "utcnow", lambda: now)
    dag = dags[pipeline]
    first = decode_timetable(json.loads(json.dumps(encode_timetable(dag.timetable)))).next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=dag.start_date, latest=None, catchup=False),
    )
    assert first
    assert first.run_after == expected
