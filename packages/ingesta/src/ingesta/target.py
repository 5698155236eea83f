"""The lakehouse's side of a load: what is there before it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import duckdb

from datavision_lakehouse.postgres import sql_text
from ingesta.structure import ROW_HASH, Column, quoted
from ingesta.tables import Table
from ingesta.versions import Mark

SCHEMA: Final = "raw_datavision"

LOADS: Final = "_cargas"
"""One row per load and table: what changed."""
HASHED: Final = "huella"
"""Column of `_cargas`: whether every row was compared by its hash, or read."""
MARK: Final = "marca"
"""Column of `_cargas`: up to where the load saw the source's table; NULL if its row versions do not tell."""

_CLOCKS_DIFFER: Final = timedelta(days=1)
"""A source may write local time, or have a clock that is fast."""


@dataclass(frozen=True)
class Target:
    """The table in the lakehouse before the load; no columns means that it does not exist yet."""

    columns: tuple[Column, ...]
    rows: int
    has_hashes: bool
    hashed_at: datetime | None
    """When the rows of the source were last compared by their hashes."""
    mark: Mark | None
    """Up to where the last load saw the source's table; None if it is unknown, or rows came or went since."""


class Targets:
    """The lakehouse's tables as a load finds them; what is asked of the catalog is asked once for all of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """Look at the lakehouse at the moment of a load: a cursor more than a day after it is not the newest one."""
        self._connection = connection
        self._now = now

    def of(self, table: Table) -> Target:
        """Return the lakehouse's side of a table."""
        columns = self._columns.get(table.name, ())
        if not columns:
            return Target((), 0, has_hashes=False, hashed_at=None, mark=None)
        row = self._connection.execute(f"SELECT count(*) FROM {SCHEMA}.{quoted(table.name)}").fetchone()
        rows = int(row[0]) if row else 0
        mark, total = self._marks.get(table.name, (None, 0))
        return Target(
            columns,
            rows,
            has_hashes=ROW_HASH in {column.name for column in columns},
            hashed_at=self._hashed_at.get(table.name),
            mark=Mark.parse(mark) if mark and total == rows else None,
        )

    def newest(self, table: Table) -> datetime | None:
        """Return the newest value of a loaded table's cursor that is a moment and not in the future, without a zone."""
        if table.cursor not in {column.name for column in self._columns[table.name]}:
            return None
        moment = f"CAST({quoted(table.cursor or '')} AS TIMESTAMP)"
        last = (self._now.astimezone(UTC) + _CLOCKS_DIFFER).replace(tzinfo=None).isoformat(sep=" ")
        row = self._connection.execute(
            f"SELECT max(epoch_us({moment})) FILTER ({moment} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '{last}') "
            f"FROM {SCHEMA}.{quoted(table.name)}"
        ).fetchone()
        micros = row[0] if row else None
        return None if micros is None else datetime(1970, 1, 1) + timedelta(microseconds=micros)

    @cached_property
    def _columns(self) -> dict[str, tuple[Column, ...]]:
        found: dict[str, tuple[Column, ...]] = {}
        for table, column, kind in self._connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            f"WHERE database_name = current_database() AND schema_name = {sql_text(SCHEMA)} ORDER BY column_index"
        ).fetchall():
            found[table] = (*found.get(table, ()), Column(column, kind))
        return found

    @cached_property
    def _marks(self) -> dict[str, tuple[str | None, int]]:
        """The mark of the last load of each table, and the number of rows that it left."""
        if MARK not in {column.name for column in self._columns.get(LOADS, ())}:
            return {}
        # By rowid, which counts the loads as they were committed: their names are of clocks, which differ.
        found = self._connection.execute(
            f"SELECT tabla, arg_max({{'mark': {MARK}, 'total': total}}, rowid) FROM {SCHEMA}.{LOADS} GROUP BY tabla"
        ).fetchall()
        return {table: (last["mark"], last["total"]) for table, last in found}

    @cached_property
    def _hashed_at(self) -> dict[str, datetime]:
        if HASHED not in {column.name for column in self._columns.get(LOADS, ())}:
            return {}
        found = self._connection.execute(
            f"SELECT tabla, epoch_us(max(cargado_en)) FROM {SCHEMA}.{LOADS} WHERE {HASHED} GROUP BY tabla"
        ).fetchall()
        return {table: datetime.fromtimestamp(micros / 1_000_000, UTC) for table, micros in found}
