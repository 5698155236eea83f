"""One PostgreSQL server for each worker of a test run; tests take databases of their own in it."""

from collections.abc import Iterator

import psycopg
import pytest

from datavision.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
            # Nobody needs these databases after a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield running
