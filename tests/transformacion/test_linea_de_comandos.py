"""The command line as the image runs it: exit codes, the result, and what it leaves behind."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.children import bare_environment

from datavision_lakehouse import connect
from transformacion.cli import app


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The module's own temporary directory."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tmp")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def business(lake: Any, random_business: Any) -> None:
    lake.load(random_business(5, 60))


@pytest.fixture
def command(
    business: None, temporary: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, dict[str, Any] | None]]:
    """Run `transformacion` in this process; gives exit code, output and result."""

    def run(*arguments: str, **variables: str) -> tuple[int, str, dict[str, Any] | None]:
        result = temporary / "result.json"
        result.unlink(missing_ok=True)
        capfd.readouterr()
        for name, value in {"DATAVISION_RESULT_FILE": str(result), **variables}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_:
            app(list(arguments))
        written = json.loads(result.read_text()) if result.exists() else None
        return int(exit_.value.code or 0), "".join(capfd.readouterr()), written

    return run


def environment(lake: Any, temporary: Path, **more: str) -> dict[str, str]:
    return bare_environment(**{"TMPDIR": str(temporary), **lake.variables, **more})


@pytest.fixture
def undone(lake: Any) -> Iterator[Callable[[str, str], None]]:
    """Change the lake with one statement, and set it right with another at the end of the test."""
    repairs = []

    def change(statement: str, repair: str) -> None:
        lake.execute(statement)
        repairs.append(repair)

    yield change
    lake.execute(*repairs)


@pytest.mark.slow
def test_a_build_that_succeeds_exits_0_and_says_what_it_made(command: Any, lake: Any) -> None:
    code, output, result = command("build", "--select", "+dim_cuentas_base", "--env", "local")
    assert code == 0, output
    assert result["rows"] == {"staging.stg_accounts": 60, "snapshots.snp_cuentas": 60, "marts.dim_cuentas_base": 60}
    assert result["models"] == {"stg_accounts": "ok", "snp_cuentas": "ok", "dim_cuentas_base": "ok"}
    assert result["tests"] > 10
    assert result["tests_failed"] == []
    assert result["seconds"] > 0


@pytest.mark.slow
def test_a_process_leaves_no_secret_and_no_file_behind(business: None, lake: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("transformacion"), "build", "--select", "stg_accounts"],
        env=environment(lake, tmp_path, DATAVISION_RESULT_FILE=str(tmp_path / "result.json")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    password = lake.settings.catalog.password
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"partial_parse.msgpack", "result.json"}
    assert [path for path in left if password.encode() in path.read_bytes()] == []
    assert password not in done.stdout + done.stderr


def test_a_failed_check_exits_3_and_is_named_with_its_count(command: Any, undone: Any) -> None:
    undone(
        "insert into lake.raw_datavision.accounts from lake.raw_datavision.accounts where account_id in (1, 2)",
        "delete from lake.raw_datavision.accounts where account_id in (1, 2) and rowid in "
        "(select max(rowid) from lake.raw_datavision.accounts where account_id in (1, 2) group by account_id)",
    )
    code, output, result = command("build", "--select", "+stg_accounts")
    assert code == 3, output
    assert result["tests_failed"] == [
        {"name": "source_unique_raw_datavision_accounts_account_id", "rows": 2, "sample": ["1", "2"]}
    ]
    assert output.endswith("failed check: source_unique_raw_datavision_accounts_account_id: 2 rows, for example 1; 2\n")


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
        (["build", "--select", "fact_rfm", "--threads", "8"], {}, "--threads"),
        (["build", "--select", "fact_rfm --threads 8"], {}, "--threads"),
        (["build", "--select", "fact_rfm", "--fecha-rfm", "31/12/2025"], {}, "fecha-rfm"),
        (["build", "--fecha-rfm", "2025-12-31", "--vars", "{fecha_rfm: 2025-12-30}"], {}, "Give the date once"),
        (["run", "--select", "fact_rfm", "--vars", "{fecha_rfm: ayer}"], {}, "2026-06-30"),
        (["build", "--env", "prod"], {}, "prod"),
        (["reporte", "--fecha", "1999-01-01"], {}, "There is no"),
        (["build"], {"DATAVISION_LAKEHOUSE__CATALOG_URL": "nonsense"}, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (["build"], {"DATAVISION_LAKEHOUSE__CATALOG_URL": "postgresql://["}, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (["build"], {"DATAVISION_LAKEHOUSE": "nonsense"}, "DATAVISION_LAKEHOUSE is not valid JSON"),
        (["build"], {"DATAVISION_LAKEHOUSE__MEMORY_LIMIT": "mucha"}, "DATAVISION_LAKEHOUSE__MEMORY_LIMIT"),
        (["build"], {"DATAVISION_TRANSFORMACION__ATTEMPTS": "0"}, "DATAVISION_TRANSFORMACION__ATTEMPTS"),
        (["build"], {"DATAVISION_TRANSFORMACION__HILOS": "8"}, "not a known setting"),
        (["build"], {"DATAVISION_ENV": "marte"}, "DATAVISION_ENV"),
        (["reporte"], {"DATAVISION_REPORTS__PATH": "relativa"}, "DATAVISION_REPORTS__PATH"),
        (["doctor"], {"DATAVISION_REPORTS__PATH": "s3://"}, "DATAVISION_REPORTS__PATH"),
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


@pytest.mark.slow
def test_a_build_killed_half_way_and_run_again_ends_in_the_same_tables(
    business: None, temporary: Path, lake: Any
) -> None:
    build = ["build", "--exclude-resource-type", "test", "unit_test"]
    day = date(2025, 12, 31)

    def state() -> dict[str, list[Any]]:
        with connect(lake.settings, read_only=True) as connection:
            tables = connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'lake' "
                "and schema_name in ('snapshots', 'marts') order by 1"
            ).fetchall()
            return {
                table: sorted(connection.execute(f"select * from {table}").fetchall(), key=repr) for (table,) in tables
            }

    lake.dbt(*build, fecha_rfm=day)
    undisturbed = state()
    assert len(undisturbed) == 13

    lake.execute(*(f"drop table lake.{table}" for table in undisturbed))
    for finished in (8, 13):
        with subprocess.Popen(
            [Path(sys.executable).with_name("transformacion"), *build, "--fecha-rfm", day.isoformat()],
            env=environment(lake, temporary),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stderr
            for _ in range(finished):
                assert process.stderr.readline().startswith("success")
            time.sleep(0.05)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert state() != undisturbed
    lake.dbt(*build, fecha_rfm=day)
    assert state() == undisturbed


@pytest.mark.slow
def test_two_builds_of_one_table_at_once_both_succeed(business: None, temporary: Path, lake: Any) -> None:
    lake.dbt("build", "--exclude-resource-type", "test", "unit_test", fecha_rfm=date(2025, 3, 31))
    processes = [
        subprocess.Popen(
            [Path(sys.executable).with_name("transformacion"), "run", "--select", "fact_rfm+", "--fecha-rfm", day],
            env=environment(lake, temporary),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for day in ("2025-06-30", "2025-12-31")
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    days = lake.rows("select distinct id_dim_fecha_rfm from marts.fact_rfm")
    assert {date(2025, 3, 31), date(2025, 6, 30), date(2025, 12, 31)} <= {day for (day,) in days}
    twice = "select id_dim_fecha_rfm from marts.fact_rfm group by 1 having count(*) > count(distinct id_dim_cuenta)"
    assert lake.rows(twice) == []


@pytest.mark.parametrize("name", ["build", "run", "test", "snapshot", "source-freshness", "list", "reporte", "doctor"])
def test_every_help_ends_in_an_example(command: Any, name: str) -> None:
    code, output, _ = command(name, "--help")
    assert code == 0
    assert f"Example: transformacion {name}" in output
