"""From the source to landing files, inside the source's snapshot."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import duckdb

from datavision_lakehouse.postgres import sql_text
from ingesta.landing import Landing
from ingesta.representable import Policy
from ingesta.settings import IngestaSettings, RowHash
from ingesta.source import Source, readable
from ingesta.structure import LOAD_ID, ROW_HASH, Column, added_columns, quoted, row_hash, same_structure
from ingesta.tables import Table
from ingesta.target import SCHEMA, Target, Targets
from ingesta.versions import Mark, written_since

_FEW_ROWS: Final = 10_000
REPLACE_SHARE: Final = 0.5
"""Above this share of changed rows, reading a table whole and rewriting it is cheaper than marking its rows deleted."""

Reading = Literal["whole", "changes"]


@dataclass(frozen=True)
class Load:
    """A load's name and time, written to every row that it touches."""

    id: str
    at: datetime


@dataclass(frozen=True)
class LandedFile:
    """One landing file."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Extract:
    """One landed table: `files` hold rows; when only changes were read and rows may be gone, `keys` all keys there."""

    table: Table
    columns: tuple[Column, ...]
    added: tuple[Column, ...]
    rebuild: bool
    """Whether the lakehouse's table must be created anew: it is missing, or its structure is being replaced."""
    reading: Reading
    files: tuple[LandedFile, ...]
    keys: LandedFile | None
    hashed: bool
    """Whether the files have the hash of each row."""
    compared: bool
    """Whether no change can have been missed: rows were compared by hash, told by row versions, or all read."""
    mark: Mark | None
    """Up to where the source's table was seen; None if its row versions do not tell."""
    source_rows: int
    seconds: float

    @property
    def may_delete(self) -> bool:
        """Whether rows of the lakehouse may be gone from the source: then the keys of all rows there have landed."""
        return self.reading == "whole" or self.keys is not None

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
        load: Load,
        settings: IngestaSettings,
        *,
        full_refresh: bool,
    ) -> None:
        self._connection = connection
        self._source = source
        self._landing = landing
        self._load = load
        self._targets = Targets(connection, load.at)
        self._settings = settings
        self._full_refresh = full_refresh

    def extract(self, table: Table) -> Extract:
        """Land one table: what changed since the last load, or all of it where that is cheaper or requested.

        Args:
            table: The table to land.

        Returns:
            What landed.

        Raises:
            UsageError: The source's structure no longer fits.
            QualityError: A value does not fit.
        """
        started = time.monotonic()
        columns = self._source.columns(table)
        target = self._targets.of(table)
        rebuild = not target.columns or (self._full_refresh and not same_structure(columns, target.columns))
        added = () if rebuild else tuple(added_columns(table.name, columns, target.columns))
        policies = {column.name: self._settings.policy(table.name, column.name) for column in columns}
        mark = self._source.mark(table, columns, policies) if self._settings.row_versions else None
        done = Extract(
            table=table,
            columns=columns,
            added=added,
            rebuild=rebuild,
            reading="whole",
            files=(),
            keys=None,
            hashed=mark is None and _hashed(table, self._settings),
            compared=True,
            mark=mark,
            source_rows=0,
            seconds=0,
        )
        if not (rebuild or added) and self._incremental(table, target):
            if mark and target.mark and mark.follows(target.mark):
                done = self._written(done, policies, target, target.mark)
            elif mark is None and table.cursor and (newest := self._targets.newest(table)):
                done = self._changes(done, policies, target, newest)
        if not done.files:
            fit = self._source.representable(table, columns, policies)
            whole = self._land(f"{table.name}.parquet", f"FROM {self._rows(table, fit, hashed=done.hashed)}")
            done = replace(done, files=(whole,), compared=done.hashed or mark is not None, source_rows=whole.rows)
        return replace(done, seconds=time.monotonic() - started)

    def _incremental(self, table: Table, target: Target) -> bool:
        return not self._full_refresh and table.mode != "replace" and target.rows > self._settings.compare_rows

    def _written(self, extract: Extract, policies: Mapping[str, Policy], target: Target, last: Mark) -> Extract:
        """Land the rows written since the last load and, if some are gone, all keys; nothing if most were written.

        Every row of the source is one that the last load saw, or one of those written since. If both together are as
        many as the source has, none is gone.
        """
        table = extract.table
        source_rows, written = self._source.written(table, extract.columns, policies, last)
        if written > REPLACE_SHARE * source_rows:
            return extract
        columns = readable(table, extract.columns, policies)
        # Where nothing was written, the table is not read again.
        where = written_since(last) if written else "false"
        query = self._source.relation(table, columns, where=where, at_source=True)
        rows = self._land(f"{table.name}.parquet", f"FROM {query}")
        extract = replace(extract, reading="changes", files=(rows,), source_rows=source_rows)
        new = self._connection.execute(
            f"SELECT count(*) FROM {self._landed(rows)} AS r "
            f"ANTI JOIN {SCHEMA}.{quoted(table.name)} AS l ON {_same(table.key, 'r', 'l')}"
        ).fetchone()
        if target.rows + (int(new[0]) if new else 0) == source_rows:
            return extract
        key = [column for column in columns if column.name in table.key]
        keys = self._land(f"{table.name}.keys.parquet", f"FROM {self._source.relation(table, key)}")
        return replace(extract, keys=keys)

    def _changes(self, extract: Extract, policies: Mapping[str, Policy], target: Target, newest: datetime) -> Extract:
        """Land rows changed recently, all keys, and the rows that the keys show to be missing.

        The missing ones arrived very late, had their cursor moved back, or changed without it.

        Raises:
            AssertionError: The table has no cursor.
        """
        table, hashed = extract.table, extract.hashed
        if table.cursor is None:
            raise AssertionError("only tables with a cursor are asked for their changes")
        columns = self._source.representable(table, extract.columns, policies)
        compared = hashed and hash_due(self._settings.row_hash, target.hashed_at, self._load.at)
        cursor, key = quoted(table.cursor), ", ".join(map(quoted, table.key))
        since = newest - min(timedelta(days=self._settings.lag_days), newest - datetime.min)
        lately = f"({cursor} >= TIMESTAMP '{since.isoformat(sep=' ')}' OR {cursor} IS NULL)"
        recent = self._land(f"{table.name}.parquet", f"FROM {self._rows(table, columns, lately, hashed=hashed)}")
        pairs = [column for column in columns if column.name in (*table.key, table.cursor)]
        keys = self._land(
            f"{table.name}.keys.parquet",
            f"FROM {self._source.relation(table, pairs, hashed=columns if compared else ())}",
        )
        changed = f" OR k.{ROW_HASH} IS DISTINCT FROM l.{ROW_HASH}" if compared and target.has_hashes else ""
        # No row of a lakehouse of version 0.1 has a hash: what it holds may be out of date, so all is read once.
        changed = " OR true" if compared and not target.has_hashes else changed
        found = self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE overlooked AS "
            f"SELECT {', '.join(f'k.{quoted(name)}' for name in table.key)}{f', k.{ROW_HASH}' if compared else ''} "
            f"FROM {self._landed(keys)} AS k LEFT JOIN {SCHEMA}.{quoted(table.name)} AS l "
            f"ON {_same(table.key, 'k', 'l')} ANTI JOIN {self._landed(recent)} AS r ON {_same(table.key, 'k', 'r')} "
            f"WHERE l.{LOAD_ID} IS NULL OR k.{cursor} IS DISTINCT FROM l.{cursor}{changed}"
        ).fetchone()
        count = int(found[0]) if found else 0
        extract = replace(
            extract, reading="changes", files=(recent,), keys=keys, compared=compared, source_rows=keys.rows
        )
        if not count:
            return extract
        rows = self._rows(table, columns, self._among_overlooked(columns, count, compared=compared), hashed=hashed)
        query = f"SELECT s.* FROM {rows} AS s SEMI JOIN (SELECT {key} FROM overlooked) AS o ON "
        late = self._land(f"{table.name}.late.parquet", query + _same(table.key, "s", "o"))
        return replace(extract, files=(recent, late))

    def _among_overlooked(self, columns: Sequence[Column], count: int, *, compared: bool) -> str:
        """Return a condition that limits the source to little more than the overlooked rows, if they are few."""
        if not compared or count > _FEW_ROWS:
            return "true"
        hashes = ",".join(
            str(row[0]) for row in self._connection.execute(f"SELECT {ROW_HASH} FROM overlooked").fetchall()
        )
        return f"{row_hash(columns)} = ANY('{{{hashes}}}'::bigint[])"

    def _rows(self, table: Table, columns: Sequence[Column], where: str = "true", *, hashed: bool) -> str:
        return self._source.relation(table, columns, where=where, hashed=columns if hashed else ())

    def _landed(self, file: LandedFile) -> str:
        return f"read_parquet({sql_text(self._landing.file(self._load.id, file.name))})"

    def _land(self, name: str, query: str) -> LandedFile:
        path = self._landing.file(self._load.id, name)
        row = self._connection.execute(
            f"COPY ({query}) TO {sql_text(path)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, RETURN_STATS)"
        ).fetchone()
        if row is None:
            return LandedFile(name, 0, Path(path).stat().st_size)
        return LandedFile(name, int(row[1]), int(row[2]))


def hash_due(schedule: RowHash, last: datetime | None, now: datetime) -> bool:
    """Return whether a load at `now` has to compare the source's rows by hash.

    Args:
        schedule: The setting.
        last: When they last were; None means never.
        now: The moment of the load.

    Returns:
        True when they never were, or the last time was on another day (UTC), or seven or more days ago.
    """
    if schedule == "never":
        return False
    if schedule == "always" or last is None:
        return True
    return (now.astimezone(UTC).date() - last.astimezone(UTC).date()).days >= (1 if schedule == "daily" else 7)


def _hashed(table: Table, settings: IngestaSettings) -> bool:
    """Return whether rows come with a hash; a table that is always read in full does not need one."""
    return table.cursor is not None and table.mode != "replace" and settings.row_hash != "never"


def _same(key: tuple[str, ...], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in key)
