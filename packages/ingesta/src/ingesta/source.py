"""The PostgreSQL side: attached read-only, read in one snapshot."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

import duckdb

from datavision_lakehouse import ConfigurationError, SourceSettings
from datavision_lakehouse.postgres import PostgresAddress, sql_text
from ingesta.errors import IngestaError, LoadError, QualityError, UsageError
from ingesta.representable import Policy, count_query, read_at_source, unfit
from ingesta.structure import ROW_HASH, Column, check_names, lake_column, quoted, row_hash
from ingesta.tables import Table
from ingesta.versions import SERVER_QUERY, Mark, versions_query, written_since

SOURCE: Final = "source"
_SAMPLE: Final = 5
_LOST: Final = (
    "unable to connect|connection to server|connection refused|connection reset|closed the connection|"
    "terminating connection|no connection to the server|timeout expired|timed out|could not translate|"
    'Failed to execute query "ROLLBACK"'
)
_BINARY: Final = (
    "(t.typtype IN ('b', 'e', 'r', 'm') AND t.typsend <> 0 "
    "AND (e.oid IS NULL OR e.typtype IN ('b', 'e') AND e.typsend <> 0))"
)
"""Whether record_send can write a column's type: composites and domains may hold one that it cannot."""


class _Type(NamedTuple):
    """A column's type as PostgreSQL writes it, and whether record_send can write its values."""

    name: str
    binary: bool


class _Versioned(NamedTuple):
    """A table whose row versions tell what changed."""

    identity: str
    structure: str
    key: frozenset[str]


class Source:
    """The source database as seen from one DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: SourceSettings, schema: str) -> None:
        """Attach the source.

        Raises:
            UsageError: The URL is malformed, or PostgreSQL refused the password, database or role.
            LoadError: PostgreSQL does not answer.
        """
        try:
            self._address = settings.address
        except ConfigurationError as error:
            raise UsageError(str(error)) from None
        self._connection = connection
        self._schema = schema
        connection.execute(self._address.secret_sql("source_login"))
        options = sql_text(self._address.option_string)
        try:
            connection.execute(f"ATTACH {options} AS {SOURCE} (TYPE postgres, READ_ONLY, SECRET source_login)")
        except duckdb.Error as error:
            raise explained(error, self._address) from None

    def __str__(self) -> str:
        return str(self._address)

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """Read everything inside the block as of one moment; yields PostgreSQL's name for that snapshot.

        The transaction is repeatable read, and the scanner's parallel readers import its exported snapshot.

        Raises:
            Error: A statement inside the block failed, with DuckDB's error.
            IngestaError: The source failed; the text says why.
        """
        self._connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            self._check_decimals()
            yield str(self._ask("SELECT pg_current_snapshot()::text AS answer")[0][0])
        except duckdb.Error as error:
            if "ducklake" in str(error).lower():
                raise
            raise explained(error, self._address) from None
        finally:
            # It fails when the connection is lost, and would then hide the error that says so.
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")

    def columns(self, table: Table) -> tuple[Column, ...]:
        """Return the table's columns in the source's order.

        Raises:
            UsageError: The source has no such table, or the table lacks a column of its declaration.
        """
        types = self._types.get(table.name, {})
        seen = self._seen.get(table.name, ())
        if not seen:
            raise UsageError(
                f"The source {self._address} has no table {self._schema}.{table.name}. "
                f"Create it there, or load the others with: --tables {self._others(table)}."
            )
        check_names(table.name, list(types))
        columns = tuple(
            replace(lake_column(name, kind, types[name].name), binary=types[name].binary)
            for name, kind in seen
            if name in types
        )
        declared = (
            *table.key,
            *([table.cursor] if table.cursor else []),
            *(c for f in table.foreign_keys for c in f.columns),
        )
        if missing := [name for name in declared if name not in types]:
            raise UsageError(
                f"Table {table.name!r} of the source has no column {missing[0]!r}, which its declaration in "
                "ingesta/tables.py names. Correct the source or the declaration."
            )
        cursor = next((column for column in columns if column.name == table.cursor), None)
        if cursor and not cursor.type.startswith(("TIMESTAMP", "DATE")):
            raise UsageError(
                f"Column {cursor.name!r} of table {table.name!r} is a {types[cursor.name].name}, not a date or "
                "timestamp, so it cannot be the cursor that ingesta/tables.py declares it to be. "
                "Correct the declaration."
            )
        return columns

    @cached_property
    def _types(self) -> dict[str, dict[str, _Type]]:
        """PostgreSQL's type of each column of every table of the schema."""
        found: dict[str, dict[str, _Type]] = {}
        for table, column, kind, binary in self._ask(
            f"SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, {_BINARY} AS binary "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' "
            f"WHERE n.nspname = {sql_text(self._schema)} AND a.attnum > 0 AND NOT a.attisdropped"
        ):
            found.setdefault(table, {})[column] = _Type(kind, bool(binary))
        return found

    @cached_property
    def _seen(self) -> dict[str, list[tuple[str, str]]]:
        """Name and DuckDB's type of the columns of every table of the schema, in their order."""
        found: dict[str, list[tuple[str, str]]] = {}
        for table, name, kind in self._connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE (database_name, schema_name) = "
            f"({sql_text(SOURCE)}, {sql_text(self._schema)}) ORDER BY column_index"
        ).fetchall():
            found.setdefault(table, []).append((name, kind))
        return found

    def mark(self, table: Table, columns: Sequence[Column], policies: Mapping[str, Policy]) -> Mark | None:
        """Return where this snapshot sees the table, or None if its row versions do not tell what changes.

        Args:
            table: The table, whose declared key must be its primary key.
            columns: Its columns.
            policies: What happens to the values of each column that the lakehouse cannot hold.
        """
        found = self._versioned.get(table.name)
        if found is None or found.key != frozenset(table.key):
            return None
        read = [(c.name, c.type, c.expression, policies[c.name]) for c in columns]
        server, horizon = self._server
        digest = hashlib.sha256(json.dumps([found.structure, read]).encode()).hexdigest()
        return Mark(server, found.identity, digest, horizon)

    @cached_property
    def _server(self) -> tuple[str, int]:
        ((*server, horizon),) = self._ask(SERVER_QUERY)
        return " ".join(server), int(horizon)

    @cached_property
    def _versioned(self) -> dict[str, _Versioned]:
        return {
            name: _Versioned(identity, structure, frozenset(json.loads(key or "[]")))
            for name, identity, structure, key in self._ask(versions_query(sql_text(self._schema)))
        }

    def written(
        self, table: Table, columns: Sequence[Column], policies: Mapping[str, Policy], since: Mark
    ) -> tuple[int, int]:
        """Return how many rows the table has, and how many of them may have been written since an earlier load.

        Raises:
            QualityError: A column of the latter holds values that would not arrive unchanged.
        """
        written = written_since(since)
        unfit_ones = {name: f"{written} AND {what}" for name, what in _conditions(table, columns, policies).items()}
        counted = self._counts(table, ["true", written, *unfit_ones.values()])
        self._refuse(table, columns, unfit_ones, counted[2:])
        return counted[0], counted[1]

    def representable(
        self, table: Table, columns: Sequence[Column], policies: Mapping[str, Policy]
    ) -> tuple[Column, ...]:
        """Return the columns as their policies want them read.

        Raises:
            QualityError: A column holds values that would not arrive unchanged; the text names table, column, count and
                sample keys.
        """
        if conditions := _conditions(table, columns, policies):
            self._refuse(table, columns, conditions, self._counts(table, list(conditions.values())))
        return readable(table, columns, policies)

    def _counts(self, table: Table, conditions: Sequence[str]) -> list[int]:
        return [int(count) for count in self._ask(count_query(self._table(table), conditions))[0]]

    def _refuse(
        self, table: Table, columns: Sequence[Column], conditions: Mapping[str, str], counts: Sequence[int]
    ) -> None:
        for (name, condition), count in zip(conditions.items(), counts, strict=True):
            if count:
                kind = "a cursor" if name == table.cursor else next(c.type for c in columns if c.name == name)
                raise self._unrepresentable(table, name, kind, condition, count)

    def relation(
        self,
        table: Table,
        columns: Sequence[Column],
        *,
        where: str = "true",
        hashed: Sequence[Column] = (),
        at_source: bool = False,
    ) -> str:
        """Return an SQL relation with the table's rows in the lakehouse's types.

        Args:
            table: The table to read.
            columns: The columns to read.
            where: A condition that PostgreSQL and DuckDB understand alike; with `hashed` or `at_source` only PostgreSQL
                has to.
            hashed: Columns whose hash comes along as `_huella`; none means no hash.
            at_source: Whether PostgreSQL itself is to choose the rows.

        Returns:
            The relation, in parentheses.
        """
        types = [f"CAST({quoted(c.name)} AS {c.type}) AS {quoted(c.name)}" for c in columns]
        if not (hashed or at_source or any(column.at_source for column in columns)):
            return f"(SELECT {', '.join(types)} FROM {SOURCE}.{self._table(table)} WHERE {where})"
        chosen = [f"{c.expression} AS {quoted(c.name)}" for c in columns]
        if hashed:
            types.append(ROW_HASH)
            chosen.append(f"{row_hash(hashed)} AS {ROW_HASH}")
        query = f"SELECT {', '.join(chosen)} FROM {self._table(table)} WHERE {where}"
        return f"(SELECT {', '.join(types)} FROM postgres_query({sql_text(SOURCE)}, {sql_text(query)}))"

    def _check_decimals(self) -> None:
        """Refuse a numeric whose scale DuckDB has no type for: it could then read no table of the schema."""
        kind = "format_type(a.atttypid, a.atttypmod)"
        digits = f"regexp_match({kind}, '^numeric\\((\\d+),(-?\\d+)\\)')::int[]"
        found = self._ask(
            f"SELECT c.relname, a.attname, {kind} AS kind "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {sql_text(self._schema)} AND a.attnum > 0 AND NOT a.attisdropped "
            f"AND c.relkind <> 'i' AND ({digits})[2] NOT BETWEEN 0 AND ({digits})[1] ORDER BY 1, 2"
        )
        if found:
            table, column, kind = found[0]
            raise UsageError(
                f"Column {column!r} of table {table!r} is a {kind}, a scale that the lakehouse has no type for, "
                f"and its schema {self._schema!r} cannot be read with it. "
                "Make it a plain numeric at the source, or move its table to another schema."
            )

    def _table(self, table: Table) -> str:
        return f"{quoted(self._schema)}.{quoted(table.name)}"

    def _unrepresentable(self, table: Table, column: str, kind: str, condition: str, count: int) -> QualityError:
        key = " || ', ' || ".join(f"{quoted(name)}::text" for name in table.key)
        found = self._ask(
            f"SELECT {key} AS key FROM {self._table(table)} WHERE {condition} "
            f"ORDER BY {', '.join(map(quoted, table.key))} LIMIT {_SAMPLE}"
        )
        keys = f"{', '.join(table.key)} is {'; '.join(text for (text,) in found)}"
        setting = json.dumps({f"{table.name}.{column}": "null"})
        return QualityError(
            f"Column {column!r} of table {table.name!r} holds {count} value(s) that {kind} of the lakehouse "
            f"cannot hold, for example where {keys}. Nothing was loaded. "
            f"Correct them at the source, or load them as NULL with DATAVISION_INGESTA__UNREPRESENTABLE='{setting}'."
        )

    def _ask(self, query: str) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = self._connection.execute(
            f"FROM postgres_query({sql_text(SOURCE)}, {sql_text(query)})"
        ).fetchall()
        return rows

    def _others(self, table: Table) -> str:
        found = self._connection.execute(
            "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM duckdb_tables() "
            f"WHERE database_name = {sql_text(SOURCE)} AND schema_name = {sql_text(self._schema)}"
        ).fetchone()
        return str(found[0]) if found and found[0] else f"… (schema {self._schema} is empty)"


def readable(table: Table, columns: Sequence[Column], policies: Mapping[str, Policy]) -> tuple[Column, ...]:
    """Return the table's columns as their policies want them read."""
    return tuple(
        read_at_source(column, policies[column.name], cursor=column.name == table.cursor) for column in columns
    )


def _conditions(table: Table, columns: Sequence[Column], policies: Mapping[str, Policy]) -> dict[str, str]:
    """Return the conditions for values that must not be there, by column."""
    return {
        column.name: condition
        for column in columns
        if policies[column.name] != "null"
        and (condition := unfit(column, policies[column.name], cursor=column.name == table.cursor))
    }


def explained(error: duckdb.Error, address: PostgresAddress) -> IngestaError:
    """Return a source failure as an error for the user, without the password."""
    text = str(error)
    if "password authentication failed" in text or "no password supplied" in text:
        return UsageError(f"The source refused the password of {address}. Correct DATAVISION_SOURCE__URL.")
    if re.search(r'(database|role) "[^"]*" does not exist', text):
        return UsageError(f"The source {address} does not exist on that server. Correct DATAVISION_SOURCE__URL.")
    if "permission denied" in text:
        what = re.search(r"permission denied for [^\n]*", text)
        return UsageError(
            f"The source says {what.group() if what else 'permission denied'}: grant SELECT to {address.user}."
        )
    if "could not translate host name" in text:
        return UsageError(f"The source's host {address.host!r} is unknown. Correct DATAVISION_SOURCE__URL.")
    if "No space left on device" in text:
        return full_disk(error)
    reason = text.rsplit("failed: ", 1)[-1].splitlines()[0].replace(address.password or "\0", "…")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return QualityError(
            f"The source {address} holds a value that cannot be loaded: {reason}. Nothing was loaded. "
            "Correct the value at the source, or load the other tables with --tables."
        )
    if connection_lost(error):
        return LoadError(
            f"The source {address} cannot be read: {reason}. "
            "Check that it is up and reachable from this task, then run again."
        )
    return LoadError(
        f"Reading the source {address} failed: {reason}. Nothing was loaded. "
        "Run again; if it keeps failing, check the source's log."
    )


def connection_lost(error: Exception) -> bool:
    """Return whether PostgreSQL could not be reached, or the connection broke."""
    return re.search(_LOST, str(error), re.IGNORECASE) is not None


def full_disk(error: Exception) -> LoadError:
    """Return the error for a full disk, with the file that the database names."""
    return LoadError(
        f"No space left on the disk ({str(error).splitlines()[0]}). "
        "Free some, or give the task more storage, then run again."
    )
