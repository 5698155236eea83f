"""What the UI's asset page shows of each table: its rows, and the image that produced them."""

from collections.abc import Mapping
from typing import Any

from datavision.fargate.outcome.audit import AuditRecord


def event_extra(asset: str, result: Mapping[str, Any], record: AuditRecord) -> dict[str, Any]:
    """Return the extra of the event that updates `asset`, e.g. `marts.dim_cuentas`."""
    return {
        "rows": rows_of(asset, result),
        "release": record.release,
        "image": f"{record.image}:{record.tag}",
        "digest": record.digest,
        "task": record.task_arn,
    }


def rows_of(asset: str, result: Mapping[str, Any]) -> int | None:
    """Return a table's row count from a module's result, or None when it is not reported.

    A module reports it in `rows` (a number, or one per table) or, with other facts about each table, in `tables`.
    """
    table, rows = asset.rpartition(".")[2], result.get("rows")
    tables = result.get("tables")
    if isinstance(tables, Mapping) and isinstance(tables.get(table), Mapping):
        rows = tables[table].get("total")
    elif isinstance(rows, Mapping):
        rows = rows.get(asset, rows.get(table))
    return rows if isinstance(rows, int) else None
