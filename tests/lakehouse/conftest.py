import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
            # Nobody needs these databases after a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def make_settings(server: EmbeddedPostgres, tmp_path: Path) -> Callable[..., LakehouseSettings]:
    """Settings of one new lakehouse; keyword arguments override."""
    catalog = server.url(f"lake_{uuid.uuid4().hex[:8]}")

    def make(**changed: object) -> LakehouseSettings:
        return LakehouseSettings.model_validate(
            {"catalog_url": catalog, "data_path": str(tmp_path / "lake"), **changed}
        )

    return make


@pytest.fixture
def settings(make_settings: Callable[..., LakehouseSettings]) -> LakehouseSettings:
    return make_settings()
