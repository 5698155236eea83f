import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings


@pytest.fixture
def make_settings(postgres: EmbeddedPostgres, tmp_path: Path) -> Callable[..., LakehouseSettings]:
    """Settings of one new lakehouse; keyword arguments override."""
    catalog = postgres.url(f"lake_{uuid.uuid4().hex[:8]}")

    def make(**changed: object) -> LakehouseSettings:
        return LakehouseSettings.model_validate(
            {"catalog_url": catalog, "data_path": str(tmp_path / "lake"), **changed}
        )

    return make


@pytest.fixture
def settings(make_settings: Callable[..., LakehouseSettings]) -> LakehouseSettings:
    return make_settings()
