"""The dbt-duckdb plugin that prepares dbt's DuckDB instance for the lakehouse.

dbt-duckdb only requires a class with this name and these methods, so dbt is not a dependency of this package.
"""

from typing import Any

import duckdb

from datavision_lakehouse.connection import instance_options, prepare
from datavision_lakehouse.settings import LakehouseSettings, ModuleSettings


class _LakehouseOnly(ModuleSettings):
    lakehouse: LakehouseSettings


class Plugin:
    """Reads `DATAVISION_LAKEHOUSE__…` when dbt connects, so that the profile on disk holds no secret."""

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: object = None) -> None:
        self.name = name
        self._settings = _LakehouseOnly.load().lakehouse

    def update_connection_config(self, creds: object, config: dict[str, Any]) -> None:
        """Limit memory and forbid downloads, before DuckDB starts."""
        config.update(instance_options(self._settings))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load extensions and credentials; dbt attaches the lakehouse right after."""
        prepare(conn, self._settings)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: settings belong to the instance, which all cursors share."""
