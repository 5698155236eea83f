"""The dbt-duckdb plugin that prepares dbt's DuckDB instance for the lakehouse.

dbt-duckdb only requires a class with this name and these methods, so dbt is not a dependency of this package.
"""

from typing import Any

import duckdb

from datavision_lakehouse.connection import instance_options, prepare
from datavision_lakehouse.settings import AuditSettings, LakehouseSettings, ModuleSettings
from datavision_lakehouse.storage import allow_s3, is_s3


class _WhatDbtReads(ModuleSettings):
    lakehouse: LakehouseSettings
    audit: AuditSettings | None = None


class Plugin:
    """Reads its `DATAVISION_…` variables when dbt connects, so that the profile on disk holds no secret."""

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: object = None) -> None:
        self.name = name
        found = _WhatDbtReads.load()
        self._settings, self._audit = found.lakehouse, found.audit

    def update_connection_config(self, creds: object, config: dict[str, Any]) -> None:
        """Limit memory and forbid downloads, before DuckDB starts."""
        config.update(instance_options(self._settings))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load extensions and credentials; dbt attaches the lakehouse right after."""
        prepare(conn, self._settings)
        if self._audit and is_s3(self._audit.path) and not is_s3(self._settings.data_path):
            allow_s3(conn)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: settings belong to the instance, which all cursors share."""
