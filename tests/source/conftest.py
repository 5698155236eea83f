import uuid
from collections.abc import Iterator

import pytest

from datavision.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def url(server: EmbeddedPostgres) -> str:
    return server.url(f"source_{uuid.uuid4().hex[:8]}")
