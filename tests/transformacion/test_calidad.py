"""What the checks of the data found: keys of the rows at fault, and the table that keeps it for each run."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner

from datavision_lakehouse import settings_for
from datavision_runtime.result import check_size
from transformacion.cli import app
from transformacion.outcome import Step, summary
from transformacion.quality import keep, key_columns
from transformacion.settings import BuildSettings

KEPT = "select prueba, tarea, resultado, filas, muestra from lake.calidad.pruebas where run_id = '{}' order by 1, 2"
Task = Callable[..., int]


@pytest.fixture(scope="module", autouse=True)
def business(lake: Any, random_business: Callable[[int, int], Any]) -> None:
    lake.load(random_business(5, 60))


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """Run a command as a task of a run, and give its exit code."""

    def run(run_id: str, task_id: str, *arguments: str) -> int:
        for name, value in {"DAG_ID": "pipeline_suscripciones", "RUN_ID": run_id, "TASK_ID": task_id}.items():
            monkeypatch.setenv(f"DATAVISION_{name}", value)
        return CliRunner().invoke(app, list(arguments)).exit_code

    return run


def broken(lake: Any) -> None:
    lake.execute(
        "insert into lake.raw_datavision.accounts from lake.raw_datavision.accounts where account_id in (1, 2)",
        "update lake.raw_datavision.accounts set created_at = null where account_id = 7",
    )


def repaired(lake: Any) -> None:
    lake.execute(
        "delete from lake.raw_datavision.accounts where account_id in (1, 2) and rowid in "
        "(select max(rowid) from lake.raw_datavision.accounts where account_id in (1, 2) group by account_id)",
        "update lake.raw_datavision.accounts set created_at = updated_at where account_id = 7",
    )


def test_a_run_keeps_the_outcome_of_every_check_with_keys_of_the_rows_at_fault(lake: Any, task: Task) -> None:
    broken(lake)
    try:
        assert task("scheduled__1", "fuentes", "test", "--select", "source:raw_datavision.accounts") == 3
    finally:
        repaired(lake)
    prefix = "source_{}_raw_datavision_accounts"
    assert lake.rows(KEPT.format("scheduled__1")) == [
        (f"{prefix.format('not_null')}_account_id", "fuentes", "ok", 0, []),
        (f"{prefix.format('not_null')}_created_at", "fuentes", "fail", 1, ["7"]),
        (f"{prefix.format('unique')}_account_id", "fuentes", "fail", 2, ["1", "2"]),
    ]
    about = "select distinct pipeline, tipo, tabla, columna from lake.calidad.pruebas where prueba like '%unique%'"
    assert lake.rows(about) == [("pipeline_suscripciones", "unique", "raw_datavision.accounts", "account_id")]


def test_another_try_of_a_task_replaces_what_the_first_kept_and_nothing_else(lake: Any, task: Task) -> None:
    accounts = ("test", "--select", "source:raw_datavision.accounts")
    broken(lake)
    try:
        task("scheduled__2", "fuentes", *accounts)
        task("scheduled__3", "fuentes", *accounts)
    finally:
        repaired(lake)
    before = lake.rows(KEPT.format("scheduled__3"))
    assert task("scheduled__2", "fuentes", *accounts) == 0
    task("scheduled__2", "staging", "build", "--select", "stg_accounts")
    kept = lake.rows(KEPT.format("scheduled__2"))
    assert [row[2] for row in kept if row[1] == "fuentes"] == ["ok"] * 3
    assert {row[1] for row in kept} == {"fuentes", "staging"}
    assert lake.rows(KEPT.format("scheduled__3")) == before


def test_freshness_is_a_check_without_a_count(lake: Any, task: Task) -> None:
    assert task("scheduled__4", "frescura", "source-freshness", "--select", "source:raw_datavision.accounts") == 0
    assert lake.rows(KEPT.format("scheduled__4")) == [("raw_datavision.accounts", "frescura", "ok", None, [])]


def test_what_is_run_by_hand_belongs_to_no_run_and_is_not_kept(lake: Any) -> None:
    before = lake.rows("select count(*) from lake.calidad.pruebas")
    assert CliRunner().invoke(app, ["test", "--select", "source:raw_datavision.accounts"]).exit_code == 0
    assert lake.rows("select count(*) from lake.calidad.pruebas") == before


def test_steps_of_one_run_may_keep_theirs_side_by_side(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAVISION_RUN_ID", "scheduled__5")
    monkeypatch.setenv("DATAVISION_TRANSFORMACION__ATTEMPTS", "9")
    steps = [Step(f"t{number}", "test", "ok", 0.1) for number in range(3)]

    def one(number: int) -> None:
        settings = settings_for(BuildSettings, "local").model_copy(update={"task_id": f"task{number % 3}"})
        keep(settings, steps)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(12)))
    assert len(lake.rows(KEPT.format("scheduled__5"))) == 9


def test_a_result_stays_small_enough_for_airflow_whatever_fails() -> None:
    name, keys = "relationships_" + "n" * 110, ("ñ" * 60,) * 5
    steps = [Step(name, "test", "fail", 0.1, failures=10**6, sample=keys)] * 200
    steps += [Step(name, "test", "warn", 0.1, failures=10**6, sample=keys)] * 200
    steps += [Step(name, "model", "error", 0.1, message="e" * 900)] * 40
    result = summary(steps, seconds=1.0, rows={f"marts.{name}{number}": 10**9 for number in range(40)})
    check_size(len(json.dumps(result, ensure_ascii=False).encode()))


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        (["unique_field", "n_records"], ["unique_field"]),
        (["content_id", "attribute_name", "filas"], ["content_id", "attribute_name"]),
        (["id_cuenta", "nombre", "correo", "fecha"], ["id_cuenta"]),
        (["cohorte", "meses", "cuentas", "parte"], ["cohorte", "meses", "cuentas"]),
    ],
)
def test_a_row_is_named_by_its_ids_where_it_has_many_columns(columns: list[str], keys: list[str]) -> None:
    assert key_columns(columns) == keys
