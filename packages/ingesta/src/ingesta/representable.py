"""Finds values that PostgreSQL can hold and the lakehouse's type cannot, before they arrive as another value.

DuckDB reads NaN in a numeric as 0 and wraps timestamps past its last one around to years before Christ; numerics
without a precision are stored with 28 digits before the point and 10 after it. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from ingesta.structure import FREE_DECIMAL, Column, quoted

Policy = Literal["error", "null", "round"]

LAST_TIMESTAMP: Final = "294247-01-10 04:00:54"
"""DuckDB counts microseconds since 1970 in 64 bits (duckdb.org, "Timestamp types"); PostgreSQL goes on to 294276."""
_FREE_LIMIT: Final = "1e28"
_FREE_SCALE: Final = 10


def unfit(column: Column, policy: Policy = "error", *, cursor: bool = False) -> str | None:
    """Return the PostgreSQL condition that selects values of this column which would not arrive unchanged.

    None when its type in the lakehouse holds them all. `round` accepts more decimals than are stored. A cursor says
    when its row changed: infinity, which the type holds, does not.
    """
    name = quoted(column.name)
    if cursor:
        beyond = _unfit_value(name, column.type, policy)
        return f"(NOT isfinite({name}){f' OR {beyond}' if beyond else ''})"
    element = column.type.removesuffix("[]")
    if column.type == element:
        return _unfit_value(name, element, policy)
    inner = _unfit_value("v", element, policy)
    nested = f"array_ndims({name}) > 1"
    return f"({nested} OR EXISTS (SELECT FROM unnest({name}) AS u(v) WHERE {inner}))" if inner else nested


def read_at_source(column: Column, policy: Policy, *, cursor: bool = False) -> Column:
    """Return the column as `policy` wants it read: NULL where a value does not fit, or unchanged."""
    condition = unfit(column, cursor=cursor) if policy == "null" else None
    if condition is None:
        return column
    return replace(column, at_source=f"CASE WHEN {condition} THEN NULL ELSE {column.expression} END")


def count_query(table: str, conditions: Sequence[str]) -> str:
    """Return the PostgreSQL query that counts the rows under each condition, as text, in one pass over the table."""
    counts = ", ".join(
        f"count(*) FILTER (WHERE {condition})::text AS n{number}" for number, condition in enumerate(conditions)
    )
    return f"SELECT {counts} FROM {table}"


def _unfit_value(value: str, kind: str, policy: Policy) -> str | None:
    if kind.startswith("DECIMAL"):
        special = f"{value} = 'NaN' OR abs({value}) = 'Infinity'"
        if kind != FREE_DECIMAL:
            return f"({special})"
        fine = "" if policy == "round" else f" OR {value} <> round({value}, {_FREE_SCALE})"
        return f"({special} OR abs({value}) >= {_FREE_LIMIT}{fine})"
    if kind.startswith("TIMESTAMP"):
        return f"(isfinite({value}) AND {value} > '{LAST_TIMESTAMP}')"
    return None
