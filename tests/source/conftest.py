import uuid

import pytest

from datavision.local.postgres import EmbeddedPostgres


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> str:
    return postgres.url(f"source_{uuid.uuid4().hex[:8]}")
