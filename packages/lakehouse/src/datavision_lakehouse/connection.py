"""Opening the lakehouse."""

import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from datavision_lakehouse.errors import (
    ConfigurationError,
    LakehouseError,
    NotInitialized,
    Unavailable,
    UnknownLoad,
)
from datavision_lakehouse.extensions import OFFLINE, load_extensions
from datavision_lakehouse.history import find_snapshot, snapshots
from datavision_lakehouse.maintenance import snapshots_to_expire
from datavision_lakehouse.postgres import sql_text
from datavision_lakehouse.resources import DUCKDB_SHARE, memory_available
from datavision_lakehouse.settings import LakehouseSettings
from datavision_lakehouse.storage import allow_s3, is_s3

LAKE: Final = "lake"
"""The name under which the lakehouse is attached, and of the DuckDB secret that opens it."""

_REFUSALS: Final = ("password authentication failed", "no password supplied", "no pg_hba.conf entry")


def connect(
    settings: LakehouseSettings, *, read_only: bool = False, at: str | int | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with an instance of its own and the lakehouse attached as the current database `lake`.

    Write through the returned connection only, never through a `.cursor()` of it: DuckLake 1.0 corrupts its catalog
    when two connections of one instance write. Other processes, or other calls of this function, may write at the same
    time.

    Args:
        settings: The lakehouse to open.
        read_only: Whether to refuse writes.
        at: An earlier state to open, read-only: a load id, a snapshot number, or a moment in ISO format (see
            `datavision_lakehouse.history.find_snapshot`).

    Raises:
        ConfigurationError: Address, password, database or data path are wrong; a retry changes nothing.
        NotInitialized: Nothing was ever loaded; only when reading.
        UnknownLoad: `at` matches no state of the lakehouse.
        Unavailable: The catalog does not answer; a retry may succeed.
    """
    connection = duckdb.connect(config=instance_options(settings))
    try:
        prepare(connection, settings)
        # DuckDB draws on stdout, which is for results; `query_progress` has the same information.
        connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        if at is None:
            attach(connection, settings, read_only=read_only)
        else:
            attach(connection, settings, read_only=True)
            _reattach_at(connection, settings, at)
        connection.execute(f"USE {LAKE}")
    except BaseException:
        connection.close()
        raise
    return connection


def check(settings: LakehouseSettings) -> None:
    """Check in a fraction of a second whether the lakehouse can be read; changes nothing.

    For callers about to start something slow that reports such a failure badly, such as dbt.

    Args:
        settings: The lakehouse to look at.

    Raises:
        ConfigurationError: Address, password, database or data path are wrong; a retry changes nothing.
        NotInitialized: Nothing was ever loaded.
        Unavailable: The catalog does not answer; a retry may succeed.
    """
    connect(settings, read_only=True).close()


def instance_options(settings: LakehouseSettings) -> dict[str, str | bool | int | float | list[str]]:
    """Return options for `duckdb.connect`: offline, with memory and spill folder limited to what the container has."""
    limit = settings.memory_limit or int(memory_available() * DUCKDB_SHARE)
    spill = Path(tempfile.gettempdir()) / f"datavision-spill-{os.getpid()}"
    options: dict[str, str | bool | int | float | list[str]] = {
        **OFFLINE,
        "memory_limit": f"{limit}B",
        "temp_directory": str(spill),
    }
    if settings.threads is not None:
        options["threads"] = settings.threads
    return options


def prepare(connection: duckdb.DuckDBPyConnection, settings: LakehouseSettings) -> None:
    """Load the extensions and put all credentials into the instance's memory; attaches nothing.

    Raises:
        Unavailable: The data path is in S3 and there are no AWS credentials.
    """
    load_extensions(connection)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    if is_s3(settings.data_path):
        allow_s3(connection)
    catalog = settings.catalog
    connection.execute(catalog.secret_sql("lake_catalog"))
    connection.execute(
        f"CREATE OR REPLACE TEMPORARY SECRET {LAKE} (TYPE ducklake, METADATA_PATH {sql_text(catalog.option_string)}, "
        f"DATA_PATH {sql_text(settings.data_path + '/')}, "
        "METADATA_PARAMETERS MAP {'TYPE': 'postgres', 'SECRET': 'lake_catalog'})"
    )
    connection.execute(f"SET ducklake_default_data_inlining_row_limit = {settings.inline_rows}")
    # Another process's commit is not an error: DuckLake checks for real conflicts and retries by itself. Its waits
    # would grow by half each time, to minutes after the fifteenth; constant ones let a long commit get past busy ones.
    connection.execute("SET ducklake_max_retry_count = 100")
    connection.execute("SET ducklake_retry_backoff = 1.0")


def attach(connection: duckdb.DuckDBPyConnection, settings: LakehouseSettings, *, read_only: bool = False) -> None:
    """Attach the lakehouse as `lake` to an instance that `prepare` was called on, creating it if it is new.

    Raises:
        LakehouseError: It cannot be attached; `explain_catalog` says which kind.
    """
    if not (read_only or is_s3(settings.data_path)):
        _make_folder(Path(settings.data_path))
    try:
        connection.execute(f"ATTACH 'ducklake:{LAKE}' AS {LAKE}{' (READ_ONLY)' if read_only else ''}")
    except duckdb.Error as error:
        raise explain_catalog(error, settings) from None


def _reattach_at(connection: duckdb.DuckDBPyConnection, settings: LakehouseSettings, at: str | int) -> None:
    history = snapshots(connection)
    snapshot = find_snapshot(history, at)
    days, loads = settings.snapshot_days, settings.snapshot_loads
    if snapshot in snapshots_to_expire(history, datetime.now(UTC), days, loads):
        # It is still there for those who opened it in time, and may go while it is read.
        raise UnknownLoad(
            f"The state {str(at)!r} is no longer kept: those of the last {days} days are, and the last {loads} loads "
            "(DATAVISION_LAKEHOUSE__SNAPSHOT_DAYS and SNAPSHOT_LOADS)."
        )
    connection.execute(f"DETACH {LAKE}")
    connection.execute(f"ATTACH 'ducklake:{LAKE}' AS {LAKE} (READ_ONLY, SNAPSHOT_VERSION {snapshot})")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The lakehouse's folder {folder} cannot be created ({error.strerror}). "
            "Set DATAVISION_LAKEHOUSE__DATA_PATH to a folder that this user can write."
        ) from None


def explain_catalog(error: duckdb.Error, settings: LakehouseSettings) -> LakehouseError:
    """Translate a failure to attach the catalog into an error for the user.

    Args:
        error: What DuckDB raised.
        settings: The lakehouse that was being opened.

    Returns:
        The error to raise instead, without the password.
    """
    text, catalog = str(error), settings.catalog
    if "does not match existing data path" in text:
        recorded = re.search(r'in the catalog "([^"]+)"', text)
        return ConfigurationError(
            f"The lakehouse at {catalog} keeps its data in {recorded.group(1) if recorded else 'another location'}, "
            f"not in {settings.data_path}. Set DATAVISION_LAKEHOUSE__DATA_PATH to that location, "
            "or name another catalog database."
        )
    if "creating a new DuckLake is explicitly disabled" in text:
        return NotInitialized(
            f"The lakehouse at {catalog} is empty. Load it first: run pipeline_suscripciones, or make run on a laptop."
        )
    if any(said in text for said in _REFUSALS):
        return ConfigurationError(
            f"The lakehouse catalog refused the password of {catalog}. Correct DATAVISION_LAKEHOUSE__CATALOG_URL."
        )
    if re.search(r'(database|role) "[^"]*" does not exist', text):
        return ConfigurationError(
            f"The lakehouse catalog {catalog} does not exist on that server. Create it, or fix "
            "DATAVISION_LAKEHOUSE__CATALOG_URL."
        )
    reason = text.rsplit("failed: ", 1)[-1].splitlines()[0]
    if "could not translate host name" in text and "Temporary failure" not in text:
        return ConfigurationError(
            f"The lakehouse catalog's host {catalog.host!r} is unknown. Correct DATAVISION_LAKEHOUSE__CATALOG_URL."
        )
    if (bad := re.search(r"invalid (connection option|integer value|\w+ value)[^\n]*", text)) is not None:
        return ConfigurationError(
            f"The lakehouse catalog {catalog} cannot be opened: {bad.group()}. "
            "Correct the options in DATAVISION_LAKEHOUSE__CATALOG_URL."
        )
    return Unavailable(
        f"The lakehouse catalog {catalog} cannot be opened: {reason}. "
        "Check that the database is up and reachable from this task, then run again."
    )
