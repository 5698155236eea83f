"""What dbt needs to work on the lakehouse."""

from typing import Any

from datavision_lakehouse.connection import LAKE


def dbt_profile(*, schema: str = "main") -> dict[str, Any]:
    """Return one output of a dbt profile: DuckDB in memory, database `lake`, one thread.

    It holds no secret and no path, so it can be written to a file: `datavision_lakehouse.dbt_plugin` takes both from
    `DATAVISION_LAKEHOUSE__…` when dbt connects.
    """
    return {
        "type": "duckdb",
        "path": ":memory:",
        "database": LAKE,
        "schema": schema,
        # Two writing connections of one DuckDB instance corrupt DuckLake's catalog; a query is parallel inside anyway.
        "threads": 1,
        "plugins": [{"module": "datavision_lakehouse.dbt_plugin"}],
        "attach": [{"path": f"ducklake:{LAKE}", "alias": LAKE}],
    }
