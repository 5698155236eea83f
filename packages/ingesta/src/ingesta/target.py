"""The lakehouse's side of a load: what is there before it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import duckdb

from datavision_lakehouse.postgres import sql_text
from ingesta.structure import ROW_HASH, Column, quoted
from ingesta.tables import Table

SCHEMA: Final = "raw_datavision"

LOADS: Final = "_cargas"
"""One row per load and table: what changed."""
HASHED: Final = "huella"
"""Column of `_cargas`: whether every row was compared by its hash, or read."""

_CLOCKS_DIFFER: Final = timedelta(days=1)
"""A source may write local time, or have a clock that is fast."""


@dataclass(frozen=True)
class Target:
    """The table in the lakehouse before the load; no columns means that it does not exist yet."""

    columns: tuple[Column, ...]
    rows: int
    newest: datetime | None
    """Newest value of the cursor column that is a moment and not in the future, or None; without a zone."""
    has_hashes: bool
    hashed_at: datetime | None
    """When the rows of the source were last compared by their hashes."""


class Targets:
    """The lakehouse's tables as a load finds them; what is asked of the catalog is asked once for all of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """Look at the lakehouse at the moment of a load: a cursor more than a day after it is not the newest one."""
        self._connection = connection
        self._now = now

    def of(self, table: Table) -> Target:
        """Return the lakehouse's side of a table: columns, rows, newest cursor, last comparison by hash."""
        columns = self._columns.get(table.name, ())
        if not columns:
            return Target((), 0, None, has_hashes=False, hashed_at=None)
        names = {column.name for column in columns}
        newest = "NULL"
        if table.cursor in names:
            moment = f"CAST({quoted(table.cursor or '')} AS TIMESTAMP)"
            last = (self._now.astimezone(UTC) + _CLOCKS_DIFFER).replace(tzinfo=None).isoformat(sep=" ")
            newest = f"max(epoch_us({moment})) FILTER ({moment} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '{last}')"
        query = f"SELECT count(*), {newest} FROM {SCHEMA}.{quoted(table.name)}"
        rows, micros = self._connection.execute(query).fetchone() or (0, None)
        return Target(
            columns,
            rows,
            None if micros is None else datetime(1970, 1, 1) + timedelta(microseconds=micros),
            has_hashes=ROW_HASH in names,
            hashed_at=self._hashed_at.get(table.name),
        )

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
    def _hashed_at(self) -> dict[str, datetime]:
        if HASHED not in {column.name for column in self._columns.get(LOADS, ())}:
            return {}
        found = self._connection.execute(
            f"SELECT tabla, epoch_us(max(cargado_en)) FROM {SCHEMA}.{LOADS} WHERE {HASHED} GROUP BY tabla"
        ).fetchall()
        return {table: datetime.fromtimestamp(micros / 1_000_000, UTC) for table, micros in found}
