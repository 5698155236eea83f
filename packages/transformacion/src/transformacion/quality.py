"""What the checks of the data found: keys of rows at fault, and `calidad.pruebas`, which keeps it for each run."""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from datavision_lakehouse import connect
from transformacion.outcome import Step, is_conflict
from transformacion.settings import BuildSettings

TABLE: Final = "lake.calidad.pruebas"
_COLUMNS: Final = {
    "pipeline": "varchar",
    "run_id": "varchar",
    "tarea": "varchar",
    "probado_en": "timestamptz",
    "prueba": "varchar",
    "tipo": "varchar",
    "tabla": "varchar",
    "columna": "varchar",
    "resultado": "varchar",
    "filas": "bigint",
    "muestra": "varchar[]",
    "segundos": "double",
}
_SAMPLE: Final = 5
_KEY_COLUMNS: Final = 3
_KEY_CHARACTERS: Final = 60
_COUNTS: Final = ("n_records", "filas")
"""Columns of dbt's tests, and of ours, that count and identify nothing."""


def with_samples(connection: duckdb.DuckDBPyConnection, steps: Sequence[Step]) -> list[Step]:
    """Return the steps, each test that found rows with the keys of some of them.

    Args:
        connection: The lakehouse, open for reading.
        steps: What dbt ran.
    """
    return [replace(step, sample=_sample(connection, step)) if step.query and step.failures else step for step in steps]


def _sample(connection: duckdb.DuckDBPyConnection, step: Step) -> tuple[str, ...]:
    try:
        found = connection.execute(f"from ({step.query}) order by all limit {_SAMPLE}")
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    except duckdb.Error:
        # What was only there for the test is gone; its count stands.
        return ()
    chosen = [names.index(name) for name in key_columns(names)]
    return tuple(", ".join(_text(row[index]) for index in chosen)[:_KEY_CHARACTERS] for row in rows)


def key_columns(names: Sequence[str]) -> list[str]:
    """Return those of a result's columns that say which row it is: at most three, ids before others.

    Args:
        names: The columns in order.
    """
    own = [name for name in names if name not in _COUNTS]
    ids = [name for name in own if name.startswith("id_") or name.endswith("_id")]
    return (own if len(own) <= _KEY_COLUMNS else ids or own)[:_KEY_COLUMNS]


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def keep(settings: BuildSettings, checks: Sequence[Step]) -> None:
    """Keep what the checks of this task found, in place of what an earlier try of it kept.

    Another process may write at the same moment: it is tried `settings.transformacion.attempts` times.

    Raises:
        LakehouseError: The lakehouse cannot be opened.
        Error: DuckDB's, when it cannot be written.
    """
    if not checks:
        return
    with connect(settings.lakehouse) as connection:
        for attempt in range(1, settings.transformacion.attempts):
            if _written(connection, settings, checks):
                return
            time.sleep(random.uniform(0.05, 0.25) * 2**attempt)  # noqa: S311 - spreads retries, guards nothing
        _write(connection, settings, checks)


def _written(connection: duckdb.DuckDBPyConnection, settings: BuildSettings, checks: Sequence[Step]) -> bool:
    """Write; return whether no other process did at the same moment.

    Raises:
        Error: DuckDB's, of another kind.
    """
    try:
        _write(connection, settings, checks)
    except duckdb.Error as error:
        if not is_conflict(str(error)):
            raise
        # A commit that failed has ended its transaction.
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")
        return False
    return True


def _write(connection: duckdb.DuckDBPyConnection, settings: BuildSettings, checks: Sequence[Step]) -> None:
    task, now = [settings.dag_id, settings.run_id, settings.task_id], datetime.now(UTC)
    rows = [[*task, now, *_row(step)] for step in checks]
    values = ", ".join([f"({', '.join('?' * len(_COLUMNS))})"] * len(rows))
    connection.execute("begin")
    connection.execute("create schema if not exists lake.calidad")
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    connection.execute(f"create table if not exists {TABLE} ({columns})")
    connection.execute(f"delete from {TABLE} where pipeline = ? and run_id = ? and tarea = ?", task)  # noqa: S608 - a constant
    connection.execute(f"insert into {TABLE} values {values}", [value for row in rows for value in row])  # noqa: S608 - placeholders
    connection.execute("commit")


def _row(step: Step) -> list[Any]:
    rows = step.failures if step.kind == "test" and step.status in ("ok", "warn", "fail") else None
    return [step.name, step.check, step.tested, step.column, step.status, rows, list(step.sample), step.seconds]
