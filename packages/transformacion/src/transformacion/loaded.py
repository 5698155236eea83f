"""Opens the lakehouse for a step that needs what ingesta loads."""

from typing import Final

import duckdb

from datavision_lakehouse import LakehouseSettings, NotInitialized, connect
from transformacion.errors import UsageError

_NOTHING: Final = "Nothing has been loaded yet: run pipeline_suscripciones first."
_ANY_RAW_TABLE: Final = (
    "select 1 from duckdb_tables() where database_name = 'lake' and schema_name = 'raw_datavision' limit 1"
)


def open_loaded(settings: LakehouseSettings) -> duckdb.DuckDBPyConnection:
    """Open the lakehouse for reading, once it holds a load.

    Args:
        settings: The lakehouse.

    Returns:
        A read-only connection, for the caller to close.

    Raises:
        UsageError: No load has ever come to its end there.
        LakehouseError: It cannot be opened.
    """
    try:
        connection = connect(settings, read_only=True)
    except NotInitialized:
        raise UsageError(_NOTHING) from None
    if not connection.execute(_ANY_RAW_TABLE).fetchone():
        connection.close()
        raise UsageError(_NOTHING)
    return connection
