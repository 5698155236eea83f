"""The command line as the image runs it: exit codes, the result, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def command(lake: Any, tmp_path_factory: pytest.TempPathFactory, random_business: Any) -> Callable[..., Any]:
    """Run `transformacion` as a process with its own temporary folder; gives exit code, output and result."""
    lake.load(random_business(5, 60))
    temporary = tmp_path_factory.mktemp("tmp")

    def run(*arguments: str, **variables: str) -> tuple[int, str, dict[str, Any] | None]:
        result = temporary / "result.json"
        result.unlink(missing_ok=True)
        done = subprocess.run(
            [Path(sys.executable).with_name("transformacion"), *arguments],
            env=environment(lake, temporary, DATAVISION_RESULT_FILE=str(result), **variables),
            capture_output=True,
            text=True,
            check=False,
        )
        written = json.loads(result.read_text()) if result.exists() else None
        return done.returncode, done.stdout + done.stderr, written

    run.temporary = temporary  # type: ignore[attr-defined]
    return run


def environment(lake: Any, temporary: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(temporary), **lake.variables, **more}


@pytest.fixture
def undone(lake: Any) -> Iterator[Callable[[str, str], None]]:
    """Change the lake with one statement, and set it right with another at the end of the test."""
    repairs = []

    def change(statement: str, repair: str) -> None:
        lake.execute(statement)
        repairs.append(repair)

    yield change
    lake.execute(*repairs)


def test_a_build_that_succeeds_exits_0_and_says_what_it_made(command: Any, lake: Any) -> None:
    code, output, result = command("build", "--select", "staging", "resource_type:snapshot", "marts", "--env", "local")
    assert code == 0, output
    assert result["rows"]["marts.dim_cuentas"] == 60
    assert result["models"]["snp_cuentas"] == "ok"
    assert result["tests"] > 100
    assert result["tests_failed"] == []
    assert result["seconds"] > 0


def test_no_secret_and_no_file_is_left_behind(command: Any, lake: Any) -> None:
    command("build", "--select", "stg_accounts")
    password = lake.settings.catalog.password
    left = [path for path in command.temporary.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"partial_parse.msgpack", "result.json"}
    assert [path for path in left if password.encode() in path.read_bytes()] == []


def test_a_failed_check_exits_3_and_is_named_with_its_count(command: Any, undone: Any) -> None:
    undone(
        "insert into lake.raw_datavision.accounts from lake.raw_datavision.accounts where account_id in (1, 2)",
        "delete from lake.raw_datavision.accounts where account_id in (1, 2) and rowid in "
        "(select max(rowid) from lake.raw_datavision.accounts where account_id in (1, 2) group by account_id)",
    )
    code, output, result = command("build", "--select", "stg_accounts")
    assert code == 3, output
    assert result["tests_failed"] == [{"name": "unique_stg_accounts_id_cuenta", "rows": 2}]
    assert "failed check: unique_stg_accounts_id_cuenta: 2" in output


def test_a_load_that_is_too_old_exits_3(command: Any, undone: Any) -> None:
    undone(
        "update lake.raw_datavision.accounts set _cargado_en = now() - interval 3 day",
        "update lake.raw_datavision.accounts set _cargado_en = now()",
    )
    code, output, result = command("source-freshness")
    assert code == 3, output
    assert [check["name"] for check in result["tests_failed"]] == ["raw_datavision.accounts"]


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["build", "--select", "no_existe"], {}, "no_existe"),
        (["build", "--no-such-option"], {}, "no-such-option"),
        (["build", "--select", "fact_rfm", "--fecha-rfm", "31/12/2025"], {}, "fecha-rfm"),
        (["build", "--fecha-rfm", "2025-12-31", "--vars", "{fecha_rfm: 2025-12-30}"], {}, "Give the date once"),
        (["run", "--select", "fact_rfm", "--vars", "{fecha_rfm: ayer}"], {}, "2026-06-30"),
        (["build", "--env", "prod"], {}, "prod"),
        (["reporte", "--fecha", "1999-01-01"], {}, "There is no RFM for 1999-01-01"),
        (["build"], {"DATAVISION_LAKEHOUSE__CATALOG_URL": "nonsense"}, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
    ],
)
def test_a_mistake_exits_2_with_one_clear_message(
    command: Any, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    code, output, _ = command(*arguments, **variables)
    assert code == 2, output
    assert sentence in output
    assert "Traceback" not in output


def test_an_unreachable_lakehouse_exits_1_without_its_password(command: Any) -> None:
    url = "postgresql://lago:secreto@127.0.0.1:9/lake"
    code, output, _ = command("build", "--select", "stg_accounts", DATAVISION_LAKEHOUSE__CATALOG_URL=url)
    assert code == 1, output
    assert "secreto" not in output


def test_a_build_killed_half_way_and_run_again_ends_in_the_same_tables(
    command: Any, lake: Any, random_business: Any
) -> None:
    build = ("build", "--fecha-rfm", "2025-12-31", "--exclude-resource-type", "test", "unit_test")

    def state() -> dict[str, list[Any]]:
        tables = lake.rows(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'lake' "
            "and schema_name in ('snapshots', 'marts') order by 1"
        )
        return {table: sorted(lake.rows(f"select * from {table}"), key=repr) for (table,) in tables}

    lake.load(random_business(6, 60))
    assert command(*build)[0] == 0
    undisturbed = state()

    lake.execute(*(f"drop table lake.{table}" for table in undisturbed))
    for finished in (0, 3, 6, 9, 12):
        process = subprocess.Popen(
            [Path(sys.executable).with_name("transformacion"), *build],
            env=environment(lake, command.temporary),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        for _ in range(finished + 1):
            process.stderr.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert command(*build)[0] == 0
    assert state() == undisturbed


def test_two_builds_of_one_table_at_once_both_succeed(command: Any, lake: Any) -> None:
    processes = [
        subprocess.Popen(
            [Path(sys.executable).with_name("transformacion"), "run", "--select", "fact_rfm+", "--fecha-rfm", day],
            env=environment(lake, command.temporary),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for day in ("2025-06-30", "2025-09-30", "2025-12-31")
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(outputs)
    assert lake.rows("select count(distinct id_dim_fecha_rfm) from marts.fact_rfm") == [(3,)]
    twice = "select id_dim_fecha_rfm from marts.fact_rfm group by 1 having count(*) > count(distinct id_dim_cuenta)"
    assert lake.rows(twice) == []


@pytest.mark.parametrize("name", ["build", "run", "test", "snapshot", "source-freshness", "list", "reporte", "doctor"])
def test_every_help_ends_in_an_example(command: Any, name: str) -> None:
    code, output, _ = command(name, "--help")
    assert code == 0
    assert f"Example: transformacion {name}" in output
