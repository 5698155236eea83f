"""Which columns a query's columns come from. Pure; `select *` is followed through CTEs, as our models are written."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlglot
from sqlglot import expressions
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

Schema = dict[str, Any]
"""database → schema → table → column → type."""
Origin = tuple[str, str]
"""`database.schema.table` and column."""
_DIALECT = "duckdb"


def declared(relations: Iterable[Mapping[str, Any]]) -> Schema:
    """Return the columns that dbt's manifest declares of its nodes and sources."""
    found: Schema = {}
    for relation in relations:
        columns = {name: column.get("data_type") or "text" for name, column in relation.get("columns", {}).items()}
        if not columns:  # a test, say
            continue
        name = relation.get("identifier") or relation.get("alias") or relation["name"]
        found.setdefault(relation["database"], {}).setdefault(relation["schema"], {})[name] = columns
    return found


def origins(sql: str, schema: Schema) -> dict[str, list[Origin]]:
    """Return where each column of a query comes from; a column that comes from none is left out.

    Args:
        sql: What dbt compiled.
        schema: Columns of the tables that it reads.
    """
    try:
        query = qualify(
            sqlglot.parse_one(sql, dialect=_DIALECT),
            schema=schema,
            dialect=_DIALECT,
            validate_qualify_columns=False,
            identify=False,
        )
        nodes = lineage(None, query, schema, dialect=_DIALECT, scope=build_scope(query), copy=False)
    except SqlglotError:
        return {}
    found = {name: {_origin(each) for each in node.walk()} for name, node in nodes.items()}
    return {name: sorted(filter(None, columns)) for name, columns in found.items() if any(columns)}


def _origin(node: Node) -> Origin | None:
    table = node.source
    if node.downstream or not isinstance(table, expressions.Table) or not table.db:
        return None
    return f"{table.catalog}.{table.db}.{table.name}", node.name.rpartition(".")[2].strip('"')
