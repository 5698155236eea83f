"""One load at a time per lakehouse: an advisory lock in the catalog's database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import duckdb

from datavision_lakehouse import LakehouseSettings
from datavision_lakehouse.connection import explain_catalog
from datavision_lakehouse.extensions import OFFLINE, load_extensions
from datavision_lakehouse.postgres import sql_text
from ingesta.errors import LoadError

_NUMBER: Final = 0x494E4745535441
"""`INGESTA` in ASCII."""
_POLL_SECONDS: Final = 1.0


@contextmanager
def load_lock(settings: LakehouseSettings, wait_seconds: float, report: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock during the block; PostgreSQL releases it when this process dies, however it dies.

    Raises:
        LoadError: Another load held it for longer than `wait_seconds`.
        LakehouseError: The catalog cannot be reached.
    """
    catalog = settings.catalog
    # An instance of its own: the one that writes the lakehouse must not have a second connection.
    with duckdb.connect(config=dict(OFFLINE)) as connection:
        load_extensions(connection, ("postgres_scanner",))
        connection.execute(catalog.secret_sql("lock_login"))
        try:
            connection.execute(
                f"ATTACH {sql_text(catalog.option_string)} AS lock (TYPE postgres, READ_ONLY, SECRET lock_login)"
            )
        except duckdb.Error as error:
            raise explain_catalog(error, settings) from None
        # A transaction pins one of the scanner's pooled connections, and with it the lock.
        connection.execute("BEGIN")
        try:
            _acquire(connection, wait_seconds, report)
            yield
        finally:
            # Left to the close, a rollback that fails because PostgreSQL is gone would abort the process in C++.
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")


def _acquire(connection: duckdb.DuckDBPyConnection, wait_seconds: float, report: Callable[[str], object]) -> None:
    deadline = time.monotonic() + wait_seconds
    waiting = False
    query = f"FROM postgres_query('lock', 'SELECT pg_try_advisory_xact_lock({_NUMBER}) AS free')"
    while True:
        row = connection.execute(query).fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= deadline:
            raise LoadError(
                f"Another load of this lakehouse is still running after {wait_seconds:.0f} s. "
                "Wait for it to end, then run again."
            )
        if not waiting:
            report("waiting for another load of this lakehouse to end")
            waiting = True
        time.sleep(_POLL_SECONDS)
