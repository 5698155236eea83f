import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from datavision.local.sql import TABLE_ROWS, QueryError, Reader, first_rows, write_csv, write_json
from datavision_lakehouse import LakehouseSettings

State = Any


def test_csv_is_exact_and_quoted_where_it_must_be(state: State) -> None:
    done = state.run("sql", "select * from marts.ventas order by id", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[3] == {"id": "3", "monto": "3.30", "nombre": 'ñandú, "2"', "baja": "", "alta": "2026-01-02 03:04:05"}
    assert len(rows) == 4


def test_json_is_one_array_with_exact_numbers(state: State) -> None:
    done = state.run("sql", "select * from marts.ventas order by id", "--format", "json")
    rows = json.loads(done.stdout, parse_float=Decimal)
    assert rows[1] == {
        "id": 1,
        "monto": Decimal("1.10"),
        "nombre": 'ñandú, "2"',
        "baja": None,
        "alta": "2026-01-02T03:04:05",
    }


def test_a_table_is_the_default_and_shows_every_column(state: State) -> None:
    done = state.run("sql", "select id, monto from marts.ventas")
    assert "monto" in done.stdout
    assert "3.30" in done.stdout


@pytest.mark.parametrize(("at", "rows"), [("carga-1", "2"), ("carga-2", "4"), ("2100-01-01", "4"), ("1", "2")])
def test_an_earlier_state_is_read_by_load_moment_or_snapshot(state: State, at: str, rows: str) -> None:
    done = state.run("sql", "select count(*) as n from marts.ventas", "--format", "csv", "--at", at)
    assert done.stdout == f"n\n{rows}\n", done.stderr


def test_a_query_can_come_through_a_pipe(state: State) -> None:
    assert state.run("sql", "--format", "csv", given="select 1 as x;\n").stdout == "x\n1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["selec 1"], "syntax error"),
        (["select * from marts.venta"], 'Did you mean "ventas"'),
        (["delete from marts.ventas"], "read-only mode"),
        ([""], "The query is empty"),
        (["select 1", "--at", "carga-9"], "carga-2, carga-1"),
        (["select 'x'::int from marts.ventas"], "Could not convert"),
    ],
)
def test_a_mistake_is_one_sentence_on_stderr_and_exit_2(state: State, arguments: list[str], said: str) -> None:
    done = state.run("sql", *arguments, "--format", "csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_a_lakehouse_it_says_how_to_make_one(empty_state: State) -> None:
    done = empty_state.run("sql", "select 1")
    assert done.returncode == 2
    assert "make run" in done.stderr
    assert not empty_state.folder.exists() or not list(empty_state.folder.glob("postgres"))


def test_a_reader_that_closes_early_is_no_error(state: State) -> None:
    import subprocess
    import sys

    code = "from datavision.cli.app import main; main()"
    command = f'"{sys.executable}" -c "{code}" sql "select * from range(3000000)" --format csv | head -1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=state.environment(),
        cwd=state.repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "range\n"
    assert done.stderr == ""


def test_statements_without_rows_write_only_their_columns(settings: LakehouseSettings) -> None:
    to = io.StringIO()
    with Reader.open(settings) as reader:
        write_csv(reader.ask("select 1 as a, 2 as b where false"), to)
        write_json(reader.ask("select 1 as a where false"), to)
    assert to.getvalue() == "a,b\n[]\n"


def test_nested_and_odd_values_become_json(settings: LakehouseSettings) -> None:
    to = io.StringIO()
    query = (
        "select [1.50::decimal(4,2)] as l, {'a': date '2026-01-01'} as s, 'nan'::double as n, uuid() is not null as b"
    )
    with Reader.open(settings) as reader:
        write_json(reader.ask(query), to)
    assert to.getvalue() == '[\n{"l": [1.50], "s": {"a": "2026-01-01"}, "n": null, "b": true}\n]\n'


def test_a_table_for_people_ends_after_a_thousand_rows(settings: LakehouseSettings) -> None:
    with Reader.open(settings) as reader:
        rows, more = first_rows(reader.ask(f"select * from range({TABLE_ROWS + 1})"))
        assert (len(rows), more) == (TABLE_ROWS, True)
        rows, more = first_rows(reader.ask(f"select * from range({TABLE_ROWS})"))
        assert (len(rows), more) == (TABLE_ROWS, False)


def test_the_prompt_answers_several_lines_and_survives_a_mistake(
    settings: LakehouseSettings, state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    from datavision.cli import sql

    monkeypatch.setenv("DATAVISION_STATE_DIR", str(state.folder))
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("select count(*) as cuantos\nfrom marts.ventas;\nselec;\nselect 7 as siete;\n\x04")
        with Reader.open(settings) as reader:
            sql._prompt(reader)
    said = capsys.readouterr()
    assert "cuantos" in said.out
    assert "siete" in said.out
    assert "syntax error" in said.err
    assert "select 7 as siete" in (state.folder / "sql_history").read_text()


def test_tables_are_listed_with_their_schema(settings: LakehouseSettings) -> None:
    with Reader.open(settings) as reader:
        assert reader.tables() == ["marts.ventas"]


def test_a_query_error_during_fetching_is_a_query_error(settings: LakehouseSettings) -> None:
    with Reader.open(settings) as reader, pytest.raises(QueryError):
        list(reader.ask("select case when range > 50000 then error('tarde') end from range(100000)").rows())


@pytest.mark.slow
def test_a_long_query_leaves_stdout_to_its_result(state: State) -> None:
    query = "select count(*) as n from range(20000) a, range(20000) b where (a.range * b.range) % 7 = 3"
    done = state.run("sql", query, "--format", "csv")
    assert done.stdout.splitlines()[0] == "n"
    assert len(done.stdout.splitlines()) == 2
