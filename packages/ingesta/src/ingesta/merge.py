"""From landing files to the lakehouse: all tables of a load in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from datavision_lakehouse.history import mark_load
from datavision_lakehouse.postgres import sql_text
from ingesta.extract import SCHEMA, Extract
from ingesta.landing import Landing
from ingesta.structure import KNOWN, LOAD_ID, LOADED_AT, quoted

LOADS: Final = f"{SCHEMA}._cargas"
"""One row per load and table: what changed."""

_REPLACE_SHARE: Final = 0.5
"""From this share of changed rows on, writing a table anew is cheaper than marking its rows deleted."""


@dataclass(frozen=True)
class Load:
    """A load's name and moment, written to every row that it touches."""

    id: str
    at: datetime


@dataclass(frozen=True)
class Merged:
    """What a load did to one table."""

    table: str
    mode: Literal["new", "compare", "replace"]
    inserted: int
    updated: int
    deleted: int
    total: int


class Merger:
    """Brings the landing files of one load into the lakehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, landing: Landing, load: Load) -> None:
        self._connection = connection
        self._landing = landing
        self._load = load

    def merge(self, extracts: Sequence[Extract], report: Callable[[str], None]) -> list[Merged]:
        """Readers see all of the load or nothing of it. Tried again when another writer was faster."""
        for attempt in Retrying(
            retry=retry_if_exception_type(duckdb.TransactionException),
            stop=stop_after_attempt(5),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            before_sleep=lambda _: report("another writer was faster: merging again"),
            reraise=True,
        ):
            with attempt:
                return self._merge_all(extracts)
        raise AssertionError("tenacity either returns or raises")

    def _merge_all(self, extracts: Sequence[Extract]) -> list[Merged]:
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            merged = [self._merge_one(extract) for extract in extracts]
            self._record(extracts, merged)
            mark_load(self._connection, self._load.id)
            self._connection.execute("COMMIT")
        except BaseException:
            self._abandon()
            raise
        return merged

    def _abandon(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            # A COMMIT that failed has ended its transaction already.
            return

    def _merge_one(self, extract: Extract) -> Merged:
        name = f"{SCHEMA}.{quoted(extract.table.name)}"
        if extract.rebuild:
            columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in extract.columns)
            own = f"{LOADED_AT} TIMESTAMP WITH TIME ZONE, {LOAD_ID} VARCHAR"
            self._connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns}, {own})")
            inserted = self._insert(extract, self._rows(extract))
            return Merged(extract.table.name, "new", inserted, 0, 0, inserted)
        for column in extract.added:
            self._connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column.name)} {column.type}")
        return self._merge_changes(extract, name)

    def _merge_changes(self, extract: Extract, name: str) -> Merged:
        key = ", ".join(map(quoted, extract.table.key))
        on = " AND ".join(f"l.{quoted(c)} = d.{quoted(c)}" for c in extract.table.key)
        differs = " OR ".join(f"l.{quoted(c.name)} IS DISTINCT FROM d.{quoted(c.name)}" for c in extract.columns)
        try:
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE changed AS SELECT d.*, l.{LOAD_ID} IS NOT NULL AS {KNOWN} "
                f"FROM {self._rows(extract)} AS d LEFT JOIN {name} AS l ON {on} WHERE l.{LOAD_ID} IS NULL OR {differs}"
            )
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM {name} AS l "
                f"ANTI JOIN {self._keys(extract)} AS d ON {on}"
            )
            updated, inserted = self._numbers(
                f"SELECT count(*) FILTER ({KNOWN}), count(*) FILTER (NOT {KNOWN}) FROM changed"
            )
            deleted, before = self._numbers(f"SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM {name})")
            total = before + inserted - deleted
            whole = extract.reading == "whole"
            if whole and _replaces(extract.table.mode, inserted + updated + deleted, total):
                self._connection.execute(f"DELETE FROM {name}")
                self._insert(extract, self._rows(extract))
                return Merged(extract.table.name, "replace", inserted, updated, deleted, total)
            if updated + deleted:
                old = f"SELECT {key} FROM changed WHERE {KNOWN} UNION ALL SELECT {key} FROM gone"
                self._connection.execute(f"DELETE FROM {name} WHERE ({key}) IN ({old})")
            if inserted + updated:
                self._insert(extract, "changed")
            return Merged(extract.table.name, "compare", inserted, updated, deleted, total)
        finally:
            self._drop_temporary()

    def _drop_temporary(self) -> None:
        try:
            self._connection.execute("DROP TABLE IF EXISTS temp.changed; DROP TABLE IF EXISTS temp.gone")
        except duckdb.Error:
            # An error before this one aborted the transaction, and the tables with it.
            return

    def _insert(self, extract: Extract, rows: str) -> int:
        columns = ", ".join(quoted(column.name) for column in extract.columns)
        name = f"{SCHEMA}.{quoted(extract.table.name)}"
        (count,) = self._numbers(
            f"INSERT INTO {name} ({columns}, {LOADED_AT}, {LOAD_ID}) "
            f"SELECT {columns}, TIMESTAMPTZ '{self._load.at.isoformat()}', {sql_text(self._load.id)} FROM {rows}"
        )
        return count

    def _record(self, extracts: Sequence[Extract], merged: Sequence[Merged]) -> None:
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {LOADS} (id_carga VARCHAR, cargado_en TIMESTAMP WITH TIME ZONE, "
            "tabla VARCHAR, modo VARCHAR, insertadas BIGINT, actualizadas BIGINT, eliminadas BIGINT, total BIGINT, "
            "filas_origen BIGINT)"
        )
        rows = ", ".join(
            f"({sql_text(self._load.id)}, TIMESTAMPTZ '{self._load.at.isoformat()}', {sql_text(done.table)}, "
            f"{sql_text(done.mode)}, {done.inserted}, {done.updated}, "
            f"{done.deleted}, {done.total}, {landed.source_rows})"
            for landed, done in zip(extracts, merged, strict=True)
        )
        self._connection.execute(f"INSERT INTO {LOADS} VALUES {rows}")

    def _rows(self, extract: Extract) -> str:
        return self._parquet(*(file.name for file in extract.files))

    def _keys(self, extract: Extract) -> str:
        return self._parquet(extract.keys.name) if extract.keys else self._rows(extract)

    def _parquet(self, *names: str) -> str:
        files = ", ".join(sql_text(self._landing.file(self._load.id, name)) for name in names)
        return f"read_parquet([{files}])"

    def _numbers(self, query: str) -> tuple[int, ...]:
        return tuple(int(value) for value in self._connection.execute(query).fetchone() or ())


def _replaces(mode: str, changed: int, total: int) -> bool:
    if mode == "compare":
        return False
    return mode == "replace" or (changed > 0 and changed > _REPLACE_SHARE * total)
