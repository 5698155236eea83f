import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from datavision_lakehouse import (
    ConfigurationError,
    LakehouseSettings,
    LandingSettings,
    ModuleSettings,
    ReportsSettings,
    SourceSettings,
    settings_for,
)
from datavision_lakehouse.settings import AuditSettings


class Everything(ModuleSettings):
    source: SourceSettings
    lakehouse: LakehouseSettings
    landing: LandingSettings
    reports: ReportsSettings
    audit: AuditSettings


GOOD = {
    "DATAVISION_ENV": "dev",
    "DATAVISION_SOURCE__URL": "postgresql://u:p@h/d",
    "DATAVISION_LAKEHOUSE__CATALOG_URL": "postgresql://u:p@h/lake",
    "DATAVISION_LAKEHOUSE__DATA_PATH": "s3://bucket/lake/",
    "DATAVISION_LANDING__PATH": "/data/landing",
    "DATAVISION_REPORTS__PATH": "s3://bucket",
    "DATAVISION_AUDIT__PATH": "s3://audit",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_everything_comes_from_variables() -> None:
    settings = settings_for(Everything, "dev")
    assert settings.lakehouse.data_path == "s3://bucket/lake"
    assert settings.landing.path == "/data/landing"
    assert settings.source.address.port == 5432


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        Everything.load()


@pytest.mark.parametrize("value", ["landing", "./landing", "ftp://host/landing", "s3://", "s3:///x", ""])
def test_a_location_is_an_absolute_folder_or_an_s3_prefix(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("DATAVISION_LANDING__PATH", value)
    with pytest.raises(ConfigurationError, match="DATAVISION_LANDING__PATH"):
        Everything.load()


def test_an_unknown_environment_lists_the_known_ones(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATAVISION_ENV", "test")
    with pytest.raises(ConfigurationError, match=r"DATAVISION_ENV.*'local', 'dev' or 'prod'"):
        Everything.load()


def test_command_line_and_container_must_name_the_same_environment() -> None:
    with pytest.raises(ConfigurationError, match="--env says 'prod' but DATAVISION_ENV says 'dev'"):
        settings_for(Everything, "prod")


def test_an_error_never_repeats_a_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATAVISION_LAKEHOUSE__MEMORY_LIMIT", "hidden-word")
    with pytest.raises(ConfigurationError) as caught:
        Everything.load()
    assert "hidden-word" not in str(caught.value)
    assert "DATAVISION_LAKEHOUSE__MEMORY_LIMIT" in str(caught.value)


def test_every_setting_is_documented(repository: Path) -> None:
    text = (repository / "packages" / "lakehouse" / "README.md").read_text()
    documented = set(re.findall(r"\| `(DATAVISION_[A-Z_]+)` \|", text))
    expected = {"DATAVISION_ENV"}
    for section, info in Everything.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            expected |= {f"DATAVISION_{section}__{key}".upper() for key in info.annotation.model_fields}
    assert documented == expected
