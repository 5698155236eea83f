"""From landing files to the lakehouse: all tables of a load in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from datavision_lakehouse.history import mark_load
from datavision_lakehouse.postgres import sql_text
from ingesta.extract import REPLACE_SHARE, Extract, Load
from ingesta.landing import Landing
from ingesta.structure import KNOWN, LOAD_ID, LOADED_AT, ROW_HASH, quoted
from ingesta.target import HASHED, LOADS, MARK, SCHEMA


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
    """Merges the landing files of one load into the lakehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, landing: Landing, load: Load) -> None:
        self._connection = connection
        self._landing = landing
        self._load = load
        self._id, self._at = sql_text(load.id), f"TIMESTAMPTZ '{load.at.isoformat()}'"

    def merge(self, extracts: Iterable[Extract], report: Callable[[str], None]) -> list[Merged]:
        """Merge all tables in one transaction, again if another writer was faster.

        Args:
            extracts: What has landed; gone through once more for each try.
            report: Says that there is another try.

        Raises:
            TransactionException: Another writer was faster five times.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(duckdb.TransactionException),
            stop=stop_after_attempt(5),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            before_sleep=lambda _: report("another writer was faster: merging again"),
            reraise=True,
        )
        return retrying(self._merge_all, extracts)

    def _merge_all(self, extracts: Iterable[Extract]) -> list[Merged]:
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            done = [(extract, self._merge_one(extract)) for extract in extracts]
            self._record(done)
            mark_load(self._connection, self._load.id)
            self._connection.execute("COMMIT")
        except BaseException:
            self._abandon()
            raise
        return [merged for _, merged in done]

    def _abandon(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            # A COMMIT that failed has ended its transaction already, and a lost connection has ended it for us.
            return

    def _merge_one(self, extract: Extract) -> Merged:
        name = f"{SCHEMA}.{quoted(extract.table.name)}"
        if extract.rebuild:
            columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in extract.columns)
            own = f"{LOADED_AT} TIMESTAMP WITH TIME ZONE, {LOAD_ID} VARCHAR"
            if extract.hashed:
                own += f", {ROW_HASH} BIGINT"
            self._connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns}, {own})")
            inserted = self._insert(extract, self._rows(extract))
            return Merged(extract.table.name, "new", inserted, 0, 0, inserted)
        for column in extract.added:
            self._connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column.name)} {column.type}")
        if extract.hashed and not self._has_column(extract.table.name, ROW_HASH):
            self._connection.execute(f"ALTER TABLE {name} ADD COLUMN {ROW_HASH} BIGINT")
        return self._merge_changes(extract, name)

    def _merge_changes(self, extract: Extract, name: str) -> Merged:
        key = ", ".join(map(quoted, extract.table.key))
        on = " AND ".join(f"l.{quoted(c)} = d.{quoted(c)}" for c in extract.table.key)
        differs = " OR ".join(f"l.{quoted(c.name)} IS DISTINCT FROM d.{quoted(c.name)}" for c in extract.columns)
        differs = f"(l.{LOAD_ID} IS NULL OR {differs})"
        other_hash = f" OR l.{ROW_HASH} IS DISTINCT FROM d.{ROW_HASH}" if extract.hashed else ""
        try:
            # A row whose hash alone is new keeps the load that brought it.
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE changed AS SELECT d.*, l.{LOAD_ID} IS NOT NULL AS {KNOWN}, "
                f"CASE WHEN {differs} THEN {self._at} ELSE l.{LOADED_AT} END AS {LOADED_AT}, "
                f"CASE WHEN {differs} THEN {self._id} ELSE l.{LOAD_ID} END AS {LOAD_ID} "
                f"FROM {self._rows(extract)} AS d LEFT JOIN {name} AS l ON {on} WHERE {differs}{other_hash}"
            )
            present = f"ANTI JOIN {self._keys(extract)} AS d ON {on}" if extract.may_delete else "WHERE false"
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE gone AS SELECT {key} FROM {name} AS l {present}")
            updated, inserted, rehashed = self._numbers(
                f"SELECT count(*) FILTER ({KNOWN} AND {LOAD_ID} = {self._id}), count(*) FILTER (NOT {KNOWN}), "
                f"count(*) FILTER ({LOAD_ID} <> {self._id}) FROM changed"
            )
            deleted, before = self._numbers(f"SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM {name})")
            total = before + inserted - deleted
            whole = extract.reading == "whole"
            if whole and _replaces(extract.table.mode, inserted + updated + deleted, total):
                self._connection.execute(f"DELETE FROM {name}")
                self._insert(extract, self._rows(extract))
                return Merged(extract.table.name, "replace", inserted, updated, deleted, total)
            if updated + rehashed + deleted:
                old = f"SELECT {key} FROM changed WHERE {KNOWN} UNION ALL SELECT {key} FROM gone"
                self._connection.execute(f"DELETE FROM {name} WHERE ({key}) IN ({old})")
            if inserted + updated + rehashed:
                self._insert(extract, "changed", at=LOADED_AT, load_id=LOAD_ID)
            return Merged(extract.table.name, "compare", inserted, updated, deleted, total)
        finally:
            self._drop_temporary()

    def _drop_temporary(self) -> None:
        try:
            self._connection.execute("DROP TABLE IF EXISTS temp.changed; DROP TABLE IF EXISTS temp.gone")
        except duckdb.Error:
            # An error before this one aborted the transaction, and the tables with it.
            return

    def _insert(self, extract: Extract, rows: str, at: str | None = None, load_id: str | None = None) -> int:
        columns = ", ".join([*(quoted(c.name) for c in extract.columns), *([ROW_HASH] if extract.hashed else [])])
        name = f"{SCHEMA}.{quoted(extract.table.name)}"
        (count,) = self._numbers(
            f"INSERT INTO {name} ({columns}, {LOADED_AT}, {LOAD_ID}) "
            f"SELECT {columns}, {at or self._at}, {load_id or self._id} FROM {rows}"
        )
        return count

    def _record(self, merges: Sequence[tuple[Extract, Merged]]) -> None:
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{LOADS} (id_carga VARCHAR, cargado_en TIMESTAMP WITH TIME ZONE, "
            "tabla VARCHAR, modo VARCHAR, insertadas BIGINT, actualizadas BIGINT, eliminadas BIGINT, total BIGINT, "
            f"filas_origen BIGINT, {HASHED} BOOLEAN, {MARK} VARCHAR)"
        )
        for column, kind in ((HASHED, "BOOLEAN"), (MARK, "VARCHAR")):
            if not self._has_column(LOADS, column):
                # Created by an earlier version.
                self._connection.execute(f"ALTER TABLE {SCHEMA}.{LOADS} ADD COLUMN {column} {kind}")
        rows = ", ".join(
            f"({self._id}, {self._at}, {sql_text(done.table)}, "
            f"{sql_text(done.mode)}, {done.inserted}, {done.updated}, "
            f"{done.deleted}, {done.total}, {landed.source_rows}, {landed.compared}, "
            f"{sql_text(str(landed.mark)) if landed.mark else 'NULL'})"
            for landed, done in merges
        )
        names = "id_carga, cargado_en, tabla, modo, insertadas, actualizadas, eliminadas, total, filas_origen"
        self._connection.execute(f"INSERT INTO {SCHEMA}.{LOADS} ({names}, {HASHED}, {MARK}) VALUES {rows}")

    def _has_column(self, table: str, column: str) -> bool:
        (count,) = self._numbers(
            "SELECT count(*) FROM duckdb_columns() WHERE database_name = current_database() AND "
            f"(schema_name, table_name, column_name) = ({sql_text(SCHEMA)}, {sql_text(table)}, {sql_text(column)})"
        )
        return count > 0

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
    return mode == "replace" or changed > REPLACE_SHARE * total
