"""Columns: what the source has, what the lakehouse has, and whether they still match. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingesta.errors import UsageError

LOADED_AT: Final = "_cargado_en"
LOAD_ID: Final = "_id_carga"
ROW_HASH: Final = "_huella"
"""Hash of the row, computed by PostgreSQL when it was read; NULL if it was read without one."""
OWN_COLUMNS: Final = (LOADED_AT, LOAD_ID, ROW_HASH)

KNOWN: Final = "_known"
"""Marks, in a merge, the rows that the lakehouse already has."""
RESERVED: Final = (*OWN_COLUMNS, KNOWN)

FREE_DECIMAL: Final = "DECIMAL(38,10)"
"""What a numeric without a precision, or with more than 38 digits, is stored as."""
_FREE_NUMERIC: Final = "numeric(38,10)"
_TEXTS: Final = ("text", "character", "bpchar", "name", "json", "bytea")
"""Types of PostgreSQL that reach DuckDB as text, or as bytes, in a query's result as in a table."""
_POINT: Final = "STRUCT(x DOUBLE, y DOUBLE)"
_UNREADABLE: Final = ("TIME WITH TIME ZONE", "INTERVAL", "BLOB", "STRUCT")
"""Beginnings of the types whose values, or whose arrays, would not arrive as they are."""


@dataclass(frozen=True)
class Column:
    """A column and its type in the lakehouse; `at_source` is the expression when PostgreSQL itself must convert it."""

    name: str
    type: str
    at_source: str | None = None
    binary: bool = True
    """Whether PostgreSQL can write the column's type in its binary form, which no session setting changes."""

    @property
    def expression(self) -> str:
        """The PostgreSQL expression for its value as it is read."""
        return self.at_source or quoted(self.name)


def quoted(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def lake_column(name: str, scanner_type: str, source_type: str) -> Column:
    """Return the lakehouse's column for a column of the source.

    `scanner_type` is DuckDB's type for it, `source_type` PostgreSQL's. Enumerations become text. A numeric without a
    precision, or with more than 38 digits, would become a float on the way: PostgreSQL makes it a decimal first. A time
    with a zone would be turned into another zone's, and Parquet holds an interval's time in unsigned milliseconds of 32
    bits: both stay what PostgreSQL writes, as text. So do composites, whose fields may hold what DuckDB's
    cannot, arrays of bytes or of points, and lines and polygons, which only a table scan of DuckDB can read.
    """
    if scanner_type in ("BLOB", _POINT):
        return Column(name, scanner_type)
    brackets = "[]" if source_type.endswith("[]") else ""
    element = scanner_type.removesuffix(brackets)
    if source_type.startswith("numeric") and element == "DOUBLE":
        return Column(name, FREE_DECIMAL + brackets, f"{quoted(name)}::{_FREE_NUMERIC}{brackets}")
    if element == "VARCHAR" and not source_type.startswith(_TEXTS):
        # A query's result has a domain's base type, whose NaN would be 0: PostgreSQL writes what the table scan shows.
        return Column(name, f"VARCHAR{brackets}", f"{quoted(name)}::text{brackets}")
    if element.startswith(_UNREADABLE) or element.endswith("[]"):
        return Column(name, f"VARCHAR{brackets}", f"{quoted(name)}::text{brackets}")
    if element.startswith("ENUM") and brackets:
        # A query's result, unlike a table, comes without its enumerations: the array would be one text.
        return Column(name, "VARCHAR[]", f"{quoted(name)}::text[]")
    return Column(name, f"VARCHAR{brackets}" if element.startswith("ENUM") else scanner_type)


def row_hash(columns: Sequence[Column]) -> str:
    """Return the PostgreSQL expression for a 64-bit hash of these columns as they are read.

    It changes whenever a stored value does, down to the scale of a numeric and the case of a citext: it is computed
    from the binary form of the values, not from what their types consider equal.
    """
    values = ", ".join(c.expression if c.binary else f"({c.expression})::text" for c in columns)
    return f"hashtextextended(encode(record_send(ROW({values})), 'hex') COLLATE \"C\", 0)"


def check_names(table: str, names: Sequence[str]) -> None:
    """Check that the lakehouse can tell the names apart and that ingesta does not use them itself.

    Raises:
        UsageError: A name is reserved, or two differ only in case; the text names the columns.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in RESERVED:
            raise UsageError(
                f"Column {name!r} of table {table!r} has a name that ingesta needs for itself "
                f"({', '.join(RESERVED)}). Rename it at the source, or load the other tables with --tables."
            )
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise UsageError(
                f"Columns {other!r} and {name!r} of table {table!r} differ in upper and lower case only, which the "
                "lakehouse does not. Rename one at the source, or load the other tables with --tables."
            )


def added_columns(table: str, source: Sequence[Column], lake: Sequence[Column]) -> list[Column]:
    """Return the source's columns that the lakehouse lacks.

    Raises:
        UsageError: A column vanished from the source or changed its type there; the text names it.
    """
    present = {column.name: column.type for column in lake if column.name not in OWN_COLUMNS}
    offered = {column.name: column.type for column in source}
    remedy = f"If that is intended, take the new structure with: --tables {table} --full-refresh."
    for name, kind in present.items():
        if name not in offered:
            raise UsageError(f"Column {name!r} vanished from table {table!r} of the source. {remedy}")
        if offered[name] != kind:
            raise UsageError(
                f"Column {name!r} of table {table!r} changed its type at the source: {kind} before, "
                f"{offered[name]} now. {remedy}"
            )
    return [column for column in source if column.name not in present]


def same_structure(source: Sequence[Column], lake: Sequence[Column]) -> bool:
    """Return whether the lakehouse's table can take the source's rows without changes."""
    return {(c.name, c.type) for c in source} == {(c.name, c.type) for c in lake if c.name not in OWN_COLUMNS}
