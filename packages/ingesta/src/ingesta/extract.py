"""From the source to landing files, inside the source's snapshot."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import duckdb

from datavision_lakehouse.postgres import sql_text
from ingesta.landing import Landing
from ingesta.settings import IngestaSettings
from ingesta.source import Source
from ingesta.structure import Column, added_columns, quoted, same_structure
from ingesta.tables import Table

SCHEMA: Final = "raw_datavision"

Reading = Literal["whole", "changes"]


@dataclass(frozen=True)
class Target:
    """The table in the lakehouse before the load; no columns means that it is not there yet."""

    columns: tuple[Column, ...]
    rows: int
    newest: Any
    """Newest value of the cursor column, or None."""


@dataclass(frozen=True)
class LandedFile:
    """One landing file."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Extract:
    """One table as it landed: `files` hold rows, `keys` all keys of the source when only changes were read."""

    table: Table
    columns: tuple[Column, ...]
    added: tuple[Column, ...]
    rebuild: bool
    """Whether the lakehouse's table must be made anew, because it is missing or its structure was given up."""
    reading: Reading
    files: tuple[LandedFile, ...]
    keys: LandedFile | None
    source_rows: int
    seconds: float

    @property
    def bytes(self) -> int:
        """Size of all its landing files."""
        return sum(file.bytes for file in (*self.files, *([self.keys] if self.keys else [])))


class Extractor:
    """Writes the landing files of one load."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        landing: Landing,
        load_id: str,
        settings: IngestaSettings,
        *,
        full_refresh: bool,
    ) -> None:
        self._connection = connection
        self._source = source
        self._landing = landing
        self._load_id = load_id
        self._settings = settings
        self._full_refresh = full_refresh

    def extract(self, table: Table) -> Extract:
        """Land one table: what changed since the last load, or all of it where that is cheaper or asked for.

        Raises UsageError when the source's structure no longer fits, QualityError when a value does not.
        """
        started = time.monotonic()
        columns = self._source.columns(table)
        target = read_target(self._connection, table)
        rebuild = not target.columns or (self._full_refresh and not same_structure(columns, target.columns))
        added = () if rebuild else tuple(added_columns(table.name, columns, target.columns))
        readable = self._source.representable(table, columns, lambda name: self._settings.policy(table.name, name))
        rows = self._source.relation(table, readable)
        keys = None
        if self._read_changes(table, target, rebuild=rebuild or bool(added)):
            files, keys = self._changes(table, rows, target)
        else:
            files = (self._land(f"{table.name}.parquet", f"FROM {rows}"),)
        return Extract(
            table=table,
            columns=columns,
            added=added,
            rebuild=rebuild,
            reading="changes" if keys else "whole",
            files=files,
            keys=keys,
            source_rows=keys.rows if keys else files[0].rows,
            seconds=time.monotonic() - started,
        )

    def _read_changes(self, table: Table, target: Target, *, rebuild: bool) -> bool:
        if rebuild or self._full_refresh or table.cursor is None or table.mode == "replace":
            return False
        return target.newest is not None and target.rows > self._settings.compare_rows

    def _changes(self, table: Table, rows: str, target: Target) -> tuple[tuple[LandedFile, ...], LandedFile]:
        """Rows changed lately, all keys, and whatever the keys show to be missing: rows that came very late."""
        assert table.cursor is not None  # noqa: S101 - `_read_changes` asked
        cursor = quoted(table.cursor)
        since = f"(TIMESTAMP '{target.newest}' - INTERVAL {self._settings.lag_days} DAY)"
        recent = self._land(f"{table.name}.parquet", f"FROM {rows} WHERE {cursor} >= {since} OR {cursor} IS NULL")
        key = ", ".join(map(quoted, table.key))
        keys = self._land(f"{table.name}.keys.parquet", f"SELECT {key}, {cursor} FROM {rows}")
        landed = f"read_parquet({sql_text(self._landing.file(self._load_id, keys.name))})"
        overlooked = (
            f"SELECT {key} FROM {landed} AS k ANTI JOIN {SCHEMA}.{quoted(table.name)} AS l "
            f"ON {_same(table.key, 'k', 'l')} AND k.{cursor} = l.{cursor} WHERE k.{cursor} < {since}"
        )
        found = self._connection.execute(f"SELECT count(*) FROM ({overlooked})").fetchone()
        if not (found and found[0]):
            return (recent,), keys
        query = f"SELECT s.* FROM {rows} AS s SEMI JOIN ({overlooked}) AS o ON {_same(table.key, 's', 'o')}"
        return (recent, self._land(f"{table.name}.late.parquet", query)), keys

    def _land(self, name: str, query: str) -> LandedFile:
        path = self._landing.file(self._load_id, name)
        row = self._connection.execute(
            f"COPY ({query}) TO {sql_text(path)} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)"
        ).fetchone()
        if row is None:
            return LandedFile(name, 0, Path(path).stat().st_size)
        return LandedFile(name, int(row[1]), int(row[2]))


def read_target(connection: duckdb.DuckDBPyConnection, table: Table) -> Target:
    """The lakehouse's side of a table."""
    columns = tuple(
        Column(name, kind)
        for name, kind in connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
            f"AND (schema_name, table_name) = ({sql_text(SCHEMA)}, {sql_text(table.name)}) ORDER BY column_index"
        ).fetchall()
    )
    if not columns:
        return Target((), 0, None)
    known = table.cursor is not None and table.cursor in {column.name for column in columns}
    newest = f"max({quoted(table.cursor)})" if known and table.cursor else "NULL"
    row = connection.execute(f"SELECT count(*), {newest} FROM {SCHEMA}.{quoted(table.name)}").fetchone()
    return Target(columns, *(row or (0, None)))


def _same(key: tuple[str, ...], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in key)
