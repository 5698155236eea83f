"""The quality gate on the raw tables."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import duckdb

from ingesta.settings import IngestaSettings
from ingesta.structure import quoted
from ingesta.tables import TABLES, ForeignKey, Table
from ingesta.target import SCHEMA

_SAMPLE: Final = 5

Outcome = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class SourceKeys:
    """What the source held: how many rows of a table and, if they were read, an SQL relation with their keys."""

    relation: str | None
    rows: int


@dataclass(frozen=True)
class Finding:
    """The outcome of one check on one table."""

    table: str
    check: str
    outcome: Outcome
    count: int
    """Rows at fault; for `freshness` the age in hours."""
    detail: str
    sample: tuple[str, ...] = ()
    """Keys of some rows at fault."""
    newest: str = ""
    """For `freshness`, when the newest row changed: ISO 8601 in UTC."""

    def __str__(self) -> str:
        keys = f", for example {'; '.join(self.sample)}" if self.sample else ""
        return f"{self.table}: {self.check}: {self.detail}{keys}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        found = asdict(self)
        return found if self.newest else {name: value for name, value in found.items() if name != "newest"}


class Gate:
    """Runs the checks on a lakehouse."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: IngestaSettings, known: Mapping[str, Table] = TABLES
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._known = known

    def check(self, source: Mapping[str, SourceKeys], tables: Iterable[Table]) -> list[Finding]:
        """Run all checks on these tables, except those that are off."""
        findings = []
        for table in tables:
            if not self._loaded(table):
                findings.append(
                    self._judge(table, "row_count", source[table.name].rows, "is in the source, but was never loaded")
                )
                continue
            findings += self._check_table(table, source[table.name])
        return [finding for finding in findings if finding is not None]

    def _check_table(self, table: Table, source: SourceKeys) -> list[Finding | None]:
        findings = [self._row_count(table, source), self._duplicate_keys(table)]
        findings += [self._orphans(table, foreign_key) for foreign_key in table.foreign_keys]
        if table.fresh and table.cursor:
            findings.append(self._freshness(table, table.cursor))
        return findings

    def _row_count(self, table: Table, source: SourceKeys) -> Finding | None:
        here = self._rows(f"SELECT count(*) FROM {_name(table)}")[0][0]
        key = ", ".join(map(quoted, table.key))
        wrong: list[tuple[Any, ...]] = []
        if here != source.rows and source.relation:
            theirs, ours = f"SELECT {key} FROM {source.relation}", f"SELECT {key} FROM {_name(table)}"
            query = f"(({theirs}) EXCEPT ({ours})) UNION ALL (({ours}) EXCEPT ({theirs}))"
            wrong = self._rows(f"{query} LIMIT {_SAMPLE}")
        detail = f"{source.rows} rows at the source, {here} in the lakehouse"
        return self._judge(table, "row_count", abs(here - source.rows), detail, wrong)

    def _duplicate_keys(self, table: Table) -> Finding | None:
        key = ", ".join(map(quoted, table.key))
        query = f"SELECT {key} FROM {_name(table)} GROUP BY ALL HAVING count(*) > 1"
        count, sample = self._counted(query)
        return self._judge(table, "duplicate_keys", count, f"{count} keys occur more than once", sample)

    def _orphans(self, table: Table, foreign_key: ForeignKey) -> Finding | None:
        parent = self._known[foreign_key.references]
        link = f"{', '.join(foreign_key.columns)} → {parent.name}"
        if not self._loaded(parent):
            count = self._rows(f"SELECT count(*) FROM {_name(table)}")[0][0]
            return self._judge(table, "orphans", count, f"{link}: {parent.name} was never loaded")
        on = " AND ".join(
            f"c.{quoted(mine)} = p.{quoted(theirs)}"
            for mine, theirs in zip(foreign_key.columns, parent.key, strict=True)
        )
        key = ", ".join(map(quoted, table.key))
        present = " AND ".join(f"c.{quoted(column)} IS NOT NULL" for column in foreign_key.columns)
        count, sample = self._counted(
            f"SELECT {key} FROM {_name(table)} AS c ANTI JOIN {_name(parent)} AS p ON {on} WHERE {present}"
        )
        return self._judge(table, "orphans", count, f"{count} rows without their parent ({link})", sample)

    def _freshness(self, table: Table, cursor: str) -> Finding | None:
        newest = self._rows(f"SELECT max({quoted(cursor)}) FROM {_name(table)}")[0][0]
        if newest is None:
            return self._judge(table, "freshness", 1, "no row has ever changed")
        moment = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
        hours = (datetime.now(UTC) - moment).total_seconds() / 3600
        detail = f"the newest {cursor} is {newest:%Y-%m-%d %H:%M}, {hours:.0f} hours old"
        late = hours > self._settings.freshness_hours
        found = self._judge(table, "freshness", round(hours) if late else 0, detail)
        return found and replace(found, newest=moment.astimezone(UTC).isoformat(timespec="seconds"))

    def _judge(
        self, table: Table, check: str, count: int, detail: str, sample: Iterable[tuple[Any, ...]] = ()
    ) -> Finding | None:
        level = self._settings.level(check, table.name)
        if level == "off":
            return None
        keys = tuple(", ".join(map(str, key)) for key in sample)
        return Finding(table.name, check, level if count else "ok", int(count), detail, keys)

    def _counted(self, query: str) -> tuple[int, list[tuple[Any, ...]]]:
        count = int(self._rows(f"SELECT count(*) FROM ({query})")[0][0])
        return count, self._rows(f"{query} ORDER BY ALL LIMIT {_SAMPLE}") if count else []

    def _loaded(self, table: Table) -> bool:
        found = self._rows(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() "
            f"AND schema_name = '{SCHEMA}' AND table_name = '{table.name}'"
        )
        return bool(found[0][0])

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return rows


def _name(table: Table) -> str:
    return f"{SCHEMA}.{quoted(table.name)}"
