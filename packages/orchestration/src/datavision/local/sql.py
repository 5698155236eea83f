"""Reading the lakehouse: the engine behind `datavision sql`."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, Final, Self, TextIO

import duckdb

from datavision.errors import UserError
from datavision.exit_codes import FAILURE
from datavision_lakehouse import LakehouseError, LakehouseSettings, Unavailable, connect

TABLE_ROWS: Final = 1000
"""A table for people is cut here; csv and json never are."""

_ROWS_PER_FETCH: Final = 10_000
_NUMBER = re.compile(r"INT|DECIMAL|DOUBLE|FLOAT")


class QueryError(UserError):
    """The query cannot be run as it is written."""


class LakehouseUnavailable(UserError):  # noqa: N818 - reads as the state that it reports
    """The lakehouse does not answer."""

    exit_code = FAILURE


@dataclass(frozen=True)
class Answer:
    """The rows of a query, fetched as they are read."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    batches: Iterator[list[tuple[Any, ...]]]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that hold numbers."""
        return tuple(name for name, kind in zip(self.columns, self.types, strict=True) if _NUMBER.search(kind))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield one row after the other."""
        for batch in self.batches:
            yield from batch


class Reader:
    """A read-only connection to a lakehouse as it is now, or was at an earlier load."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, settings: LakehouseSettings, at: str | None = None) -> Iterator[Self]:
        """Connect for the duration of the block; `at` is a load id, a snapshot number or a moment.

        Raises:
            QueryError: `at` matches nothing.
            LakehouseUnavailable: The lakehouse cannot be opened.
        """
        try:
            connection = connect(settings, read_only=True, at=at)
        except Unavailable as error:
            raise LakehouseUnavailable(str(error)) from None
        except LakehouseError as error:
            raise QueryError(str(error)) from None
        with connection:
            yield cls(connection)

    def ask(self, query: str) -> Answer:
        """Run the query.

        Raises:
            QueryError: DuckDB rejects it; the text says why.
        """
        if not query.strip(" \n\t;"):
            raise QueryError('The query is empty. Write one, for example: datavision sql "show all tables".')
        try:
            result = self._connection.execute(query)
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from None
        described = result.description or []
        return Answer(
            columns=tuple(column[0] for column in described),
            types=tuple(str(column[1]) for column in described),
            batches=self._fetch(result),
        )

    def tables(self) -> list[str]:
        """Return every table and view, as `schema.table`."""
        rows = self._connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_catalog = current_database() ORDER BY ALL"
        ).fetchall()
        return [row[0] for row in rows]

    @staticmethod
    def _fetch(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
        try:
            while batch := result.fetchmany(_ROWS_PER_FETCH):
                yield batch
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from None


def write_csv(answer: Answer, to: TextIO) -> None:
    """Write a header and rows, null as an empty field."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(answer.columns)
    for batch in answer.batches:
        writer.writerows([["" if value is None else _text(value) for value in row] for row in batch])


def write_json(answer: Answer, to: TextIO) -> None:
    """Write an array with one object per row; decimals are numbers with all their digits, times are ISO text."""
    separator = "[\n"
    for row in answer.rows():
        fields = (f"{json.dumps(n, ensure_ascii=False)}: {_json(v)}" for n, v in zip(answer.columns, row, strict=True))
        to.write(f"{separator}{{{', '.join(fields)}}}")
        separator = ",\n"
    to.write("[]\n" if separator == "[\n" else "\n]\n")


def first_rows(answer: Answer) -> tuple[list[tuple[str, ...]], bool]:
    """Return the first `TABLE_ROWS` rows as text, null as empty text, and whether there are more."""
    rows = list(islice(answer.rows(), TABLE_ROWS + 1))
    shown = [tuple("" if value is None else _text(value) for value in row) for row in rows[:TABLE_ROWS]]
    return shown, len(rows) > TABLE_ROWS


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dict | list):
        return _json(value)
    return str(value)


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k), ensure_ascii=False)}: {_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "null"
    if isinstance(value, date | datetime | time):
        return json.dumps(value.isoformat())
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value), ensure_ascii=False)


def _sentence(error: duckdb.Error) -> str:
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    hints = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean", "HINT"))]
    text = " ".join([*lines[:1], *hints]).rstrip(".!?")
    return f"The query failed: {text}. `show all tables` lists what there is."
