"""`ingesta doctor`: whether this image, as configured, can reach everything a load needs. Changes nothing."""

import duckdb

from datavision_lakehouse import NotInitialized, connect
from datavision_lakehouse.extensions import OFFLINE, load_extensions
from ingesta.landings import landing_at
from ingesta.load import explaining
from ingesta.progress import Reporter
from ingesta.settings import Settings
from ingesta.source import Source
from ingesta.tables import TABLES


def diagnose(settings: Settings, report: Reporter) -> None:
    """Check extensions, source, its tables, catalog and storage, in this order.

    Raises:
        IngestaError: A check failed; the text says what to do about it.
    """
    with explaining():
        _source(settings, report)
        _catalog(settings, report)
        landing_at(settings.landing.path).check()
        report(f"landing {settings.landing.path}: ok")
        landing_at(settings.lakehouse.data_path, "DATAVISION_LAKEHOUSE__DATA_PATH").check()
        report(f"lakehouse data {settings.lakehouse.data_path}: ok")


def _source(settings: Settings, report: Reporter) -> None:
    with duckdb.connect(config=dict(OFFLINE)) as connection:
        load_extensions(connection)
        report(f"DuckDB {duckdb.__version__} and its extensions: ok")
        source = Source(connection, settings.source, settings.ingesta.source_schema)
        with source.snapshot():
            for table in TABLES.values():
                source.columns(table)
        report(f"source {source}: ok, {len(TABLES)} tables")


def _catalog(settings: Settings, report: Reporter) -> None:
    try:
        connect(settings.lakehouse, read_only=True).close()
    except NotInitialized:
        report(f"lakehouse catalog {settings.lakehouse.catalog}: ok, empty")
    else:
        report(f"lakehouse catalog {settings.lakehouse.catalog}: ok")
