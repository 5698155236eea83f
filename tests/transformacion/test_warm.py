"""What a shared container loads once, and what a step finds of it."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.children import bare_environment

from transformacion import runner
from transformacion.warm import warm

DAY = date(2025, 6, 30)


@pytest.fixture(scope="module")
def loaded(lake: Any, random_business: Any) -> None:
    """A lakehouse that has all but fact_rfm."""
    lake.load(random_business(11, 60))
    lake.daily()


@pytest.fixture
def parses(loaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """How often dbt has parsed the project since `warm`."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    warm()
    from dbt.parser.manifest import parse_manifest

    seen: list[object] = []

    def counted(*args: Any) -> Any:
        seen.append(args)
        return parse_manifest(*args)

    monkeypatch.setattr("dbt.cli.requires.parse_manifest", counted)
    yield seen
    runner._parsed.clear()


def test_the_first_command_finds_the_project_parsed_and_each_compiles_all_of_it(
    lake: Any, parses: list[object]
) -> None:
    def segments() -> list[tuple[Any, ...]]:
        lake.dbt("run", "--select", "fact_rfm", fecha_rfm=DAY)
        rows: list[tuple[Any, ...]] = lake.rows("from lake.marts.fact_rfm order by id_dim_cuenta")
        lake.execute("delete from lake.marts.fact_rfm")
        return rows

    first = segments()
    assert first
    assert parses == []
    assert segments() == first
    assert len(parses) == 1


def test_variables_are_parsed_with_the_project(lake: Any, parses: list[object]) -> None:
    lake.dbt("run", "--select", "fact_rfm", "--vars", f"fecha_rfm: {DAY}")
    assert lake.rows("select distinct id_dim_fecha_rfm from lake.marts.fact_rfm") == [(DAY,)]
    assert len(parses) == 1


LATE = """
import sys
from transformacion.cli import app
from transformacion.warm import warm
warm()
loaded = set(sys.modules)
try:
    app(sys.argv[1:])
except SystemExit as end:
    print(end.code, *sorted(name for name in set(sys.modules) - loaded if name.split(".")[0] in ("dbt", "sqlparse")))
"""


@pytest.mark.parametrize("command", ["build --select stg_accounts", "source-freshness"])
def test_a_step_imports_nothing_of_dbt_that_was_not_loaded(
    lake: Any, loaded: None, tmp_path: Path, command: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE, *command.split()],
        env=bare_environment(**{"TMPDIR": str(tmp_path), **lake.variables}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "0", done.stdout + done.stderr


FROZEN = """
import gc
from datavision_runtime.shared.child import preload
preload("transformacion")
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_no_steps_garbage_collector_goes_over_what_was_loaded(lake: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FROZEN],
        env=bare_environment(**{"TMPDIR": str(tmp_path), **lake.variables}),
        capture_output=True,
        text=True,
        check=True,
    )
    frozen, collected = map(int, done.stdout.split())
    assert frozen > 100_000
    assert collected < frozen / 100
