"""How a step that fails ends: one explanation at the end of its log, and the exit code that Airflow decides on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.children import bare_environment

from datavision.fargate.outcome.errors import LAST_LINES
from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect
from transformacion.explained import exit_code, sentence
from transformacion.outcome import Step, explanation
from transformacion.outcome import exit_code as code_of

NOTHING_LOADED = "error: Nothing has been loaded yet: run pipeline_suscripciones first."
VERBS = [
    ["build"],
    ["build", "--select", "staging"],
    ["build", "--select", "fact_rfm+", "--fecha-rfm", "2026-06-30"],
    ["build", "--select", "fact_rfm+", "--reconstruir"],
    ["run", "--select", "marts"],
    ["test", "--select", "source:raw_datavision"],
    ["test", "--resource-type", "unit_test"],
    ["snapshot"],
    ["source-freshness"],
    ["reporte"],
    ["reporte", "--fecha", "2026-06-30"],
]


class Log(list[str]):
    """The lines a container's log would have, its exit code, and how long it took."""

    code: int
    seconds: float


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Log]:
    """Run `transformacion` as its container does and give its log, both streams in one."""

    def run(lake: Any, *arguments: str, at_line: int = 0, then: Callable[[], None] = lambda: None) -> Log:
        lines, started = Log(), time.monotonic()
        env = bare_environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1", **lake.variables)
        with subprocess.Popen(
            [Path(sys.executable).with_name("transformacion"), *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if len(lines) == at_line:
                    then()
        lines.code, lines.seconds = process.returncode, time.monotonic() - started
        assert "Traceback" not in "\n".join(lines)
        assert "\x1b" not in "\n".join(lines)
        return lines

    return run


@pytest.mark.parametrize("arguments", VERBS, ids=" ".join)
def test_before_the_first_load_every_step_says_at_once_what_to_run_first(
    lake: Any, log: Callable[..., Log], arguments: list[str]
) -> None:
    done = log(lake, *arguments)
    assert (done.code, list(done)) == (2, [NOTHING_LOADED])
    assert done.seconds < 20


def test_a_catalog_without_any_load_counts_as_nothing_loaded_too(
    make_lake: Callable[[str, pytest.MonkeyPatch], Any], log: Callable[..., Log]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        empty = make_lake("fallas_vacio", patch)
        connect(empty.settings).close()
        for arguments in (["snapshot"], ["reporte"]):
            done = log(empty, *arguments)
            assert (done.code, list(done)) == (2, [NOTHING_LOADED])


@pytest.fixture(scope="module")
def loaded(lake: Any, random_business: Callable[[int, int], Any]) -> Any:
    lake.load(random_business(5, 60))
    return lake


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["build", "--select", "fact_rfm+"], r"error: fact_rfm: staging\.stg_\w+ does not exist yet\."),
        (["snapshot"], r"error: snp_suscripciones: staging\.stg_subscriptions does not exist yet\."),
        (["test", "--select", "dim_cuentas"], r"error: \w+: marts\.dim_cuentas\w* does not exist yet\."),
    ],
    ids=["build", "snapshot", "test"],
)
def test_a_step_out_of_turn_names_what_is_missing_and_is_not_tried_again(
    loaded: Any, log: Callable[..., Log], arguments: list[str], absent: str
) -> None:
    done = log(loaded, *arguments)
    assert done.code == 2
    assert re.fullmatch(absent, done[-2])
    assert done[-1] == "Build what is missing first: run pipeline_suscripciones."


@pytest.mark.slow
def test_the_log_of_a_failed_build_ends_with_the_failure_and_skipped_steps_are_only_counted(
    loaded: Any, log: Callable[..., Log]
) -> None:
    duplicated = "lake.raw_datavision.accounts where account_id in (1, 2)"
    loaded.execute(f"insert into lake.raw_datavision.accounts from {duplicated}")
    done = log(loaded, "build")
    assert done.code == 3
    assert done[-1] == "failed check: source_unique_raw_datavision_accounts_account_id: 2 rows, for example 1; 2"
    assert re.fullmatch(r"\d+ steps were skipped because of what failed", done[-2])
    assert not [line for line in done if line.startswith("skipped")]


def step(name: str, status: Any, message: str = "", kind: Any = "model", failures: int = 0) -> Step:
    return Step(name, kind, status, 0.1, message, failures)


def test_however_much_fails_the_explanation_fits_into_the_lines_that_the_platform_shows() -> None:
    steps = [step(f"prueba_{n}", "fail", kind="test", failures=n) for n in range(50)]
    steps += [
        step(f"modelo_{n}", "error", "Runtime Error in model m (m.sql)\n  Out of Memory Error: x") for n in (1, 2)
    ]
    steps += [step(f"saltado_{n}", "skipped") for n in range(200)]
    lines = explanation(steps)
    assert len(lines) < LAST_LINES
    assert lines[:2] == ["200 steps were skipped because of what failed", "40 more failed"]
    assert lines[-2:] == ["error: modelo_1: Out of Memory Error: x", "error: modelo_2: Out of Memory Error: x"]
    assert explanation([step("a", "ok"), step("b", "warn")]) == []


def test_a_cause_is_one_line_without_the_frame_of_dbt_and_the_excerpt_of_the_query() -> None:
    message = (
        "Runtime Error in model dim_cuentas (models/marts/dim_cuentas.sql)\n"
        '  Binder Error: Referenced column "x" not found in FROM clause!\n  \n'
        "  LINE 12:     select x\n                      ^\n  compiled code at /tmp/x.sql"
    )
    failed = step("dim_cuentas", "error", message)
    assert failed.cause == 'Binder Error: Referenced column "x" not found in FROM clause!'
    assert code_of([failed]) == 2
    assert len(step("a", "error", "x" * 5000).cause) == 500


@pytest.mark.slow
@pytest.mark.parametrize("finished", [1, 5])
def test_a_catalog_killed_in_mid_run_is_one_sentence_and_worth_a_retry(
    tmp_path: Path, random_business: Callable[[int, int], Any], log: Callable[..., Log], loaded: Any, finished: int
) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        url, data = server.url("lake"), str(tmp_path / "data")
        lake = type(loaded)(
            LakehouseSettings.model_validate({"catalog_url": url, "data_path": data}),
            {
                **loaded.variables,
                "DATAVISION_LAKEHOUSE__CATALOG_URL": url,
                "DATAVISION_LAKEHOUSE__DATA_PATH": data,
            },
        )
        lake.load(random_business(5, 60))
        process = int(next((tmp_path / "postgres").rglob("postmaster.pid")).read_text().split()[0])
        done = log(
            lake, "build", "--select", "staging", at_line=finished, then=lambda: os.kill(process, signal.SIGKILL)
        )
        assert done.code == 1
        assert re.match(r"error: .*(stopped answering|cannot be opened|stopped early)", done[-1])
        assert done[-1].endswith("run again.")
        assert len([line for line in done if line.startswith("error: ")]) == 1
        again = log(lake, "reporte")
        assert (again.code, len(again)) == (1, 1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda url: re.sub(r":[^:@/]+@", ":otra@", url), "refused the password"),
        (lambda url: url.replace("test_fallas", "no_existe"), "does not exist on that server"),
    ],
    ids=["password", "database"],
)
def test_a_catalog_that_cannot_be_entered_is_a_mistake_in_the_configuration(
    loaded: Any, log: Callable[..., Log], change: Callable[[str], str], sentence: str
) -> None:
    url = change(loaded.variables["DATAVISION_LAKEHOUSE__CATALOG_URL"])
    wrong = type(loaded)(loaded.settings, {**loaded.variables, "DATAVISION_LAKEHOUSE__CATALOG_URL": url})
    for arguments in (["build"], ["reporte"]):
        done = log(wrong, *arguments)
        assert (done.code, len(done)) == (2, 1)
        assert sentence in done[0]


def test_an_error_nobody_foresaw_is_one_sentence_that_says_where_it_came_from() -> None:
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("nada\n")
    assert sentence(raised.value).startswith("Unexpected ValueError at test_fallas.py:")
    assert "\n" not in sentence(raised.value)
    assert exit_code(raised.value) == 1
