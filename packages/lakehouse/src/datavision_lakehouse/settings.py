"""The settings that the modules share, as pydantic models.

A module declares its own `ModuleSettings` subclass with the sections it needs; the variables are
`DATAVISION_<SECTION>__<KEY>`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from datavision_lakehouse.errors import ConfigurationError
from datavision_lakehouse.postgres import PostgresAddress

EnvironmentName = Literal["local", "dev", "prod"]


def _location(value: str) -> str:
    if value.startswith("s3://"):
        bucket = value.removeprefix("s3://").split("/", 1)[0]
        if not bucket:
            raise ValueError("has no bucket: write s3://bucket/prefix")
        return value.rstrip("/")
    if "://" in value or not Path(value).is_absolute():
        raise ValueError("must be an absolute folder or s3://bucket/prefix")
    return str(Path(value))


Location = Annotated[str, AfterValidator(_location)]
"""An absolute folder or `s3://bucket/prefix`, without a slash at its end."""


class Section(BaseModel):
    """One section of the settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class LakehouseSettings(Section):
    """How to open one environment's lakehouse."""

    catalog_url: SecretStr
    """`postgresql://user:password@host:port/database`: the database that holds DuckLake's catalog and nothing else."""
    data_path: Location
    """Where the Parquet files are: a folder or s3:// prefix that belongs to this lakehouse alone."""
    memory_limit: ByteSize | None = None
    """DuckDB's buffer memory; unset means 60 % of the container's limit (or of the machine)."""
    threads: int | None = Field(default=None, ge=1)
    """DuckDB's worker threads; unset means one per core."""
    inline_rows: int = Field(default=10, ge=0)
    """Inserts of at most this many rows stay in the catalog until housekeeping flushes them to Parquet."""
    snapshot_days: int = Field(default=30, ge=1)
    """Snapshots older than this may be expired by housekeeping."""
    snapshot_loads: int = Field(default=10, ge=1)
    """The state after each of this many newest loads is kept regardless of its age."""
    cleanup_hours: int = Field(default=24, ge=1)
    """How long a reader may take: what is no longer kept expires this much later, its files as much after that."""

    @property
    def catalog(self) -> PostgresAddress:
        """The catalog's address.

        Raises:
            ConfigurationError: The URL is malformed.
        """
        return PostgresAddress.parse(self.catalog_url.get_secret_value(), setting="DATAVISION_LAKEHOUSE__CATALOG_URL")

    @property
    def dataset_namespace(self) -> str:
        """Where OpenLineage says that its tables are; their names begin with `lake.`.

        Raises:
            ConfigurationError: The URL is malformed.
        """
        catalog = self.catalog
        return f"ducklake://{catalog.host}:{catalog.port}/{catalog.database}"


class SourceSettings(Section):
    """The PostgreSQL that ingesta reads."""

    url: SecretStr

    @property
    def address(self) -> PostgresAddress:
        """The source's address.

        Raises:
            ConfigurationError: The URL is malformed.
        """
        return PostgresAddress.parse(self.url.get_secret_value(), setting="DATAVISION_SOURCE__URL")


class LandingSettings(Section):
    """Where ingesta writes the immutable files of each load."""

    path: Location


class ReportsSettings(Section):
    """Where transformacion writes its reports."""

    path: Location


class AuditSettings(Section):
    """Where the records of launches and releases are."""

    path: Location


class ModuleSettings(BaseSettings):
    """The base of every module's settings: read from `DATAVISION_…` variables and nowhere else."""

    model_config = SettingsConfigDict(
        env_prefix="DATAVISION_", env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    env: EnvironmentName

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            ConfigurationError: A variable is missing or invalid; the text names each one and what was expected, never a
                value.
        """
        try:
            return cls()
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, error)) from None
        except SettingsError as error:
            # A section given as one variable must be JSON; the cause would show the value, which may be a secret.
            field = re.search(r'field "(\w+)"', str(error))
            variable = f"DATAVISION_{field.group(1).upper()}" if field else "A DATAVISION_ variable"
            raise ConfigurationError(
                f"Configuration error: {variable} is not valid JSON. Unset it and set {variable}__… one by one; "
                "the package's README lists every setting."
            ) from None


ModuleSettingsT = TypeVar("ModuleSettingsT", bound=ModuleSettings)


def settings_for(kind: type[ModuleSettingsT], environment: str) -> ModuleSettingsT:
    """Return the module's settings, checked against the environment that its command line names.

    Raises:
        ConfigurationError: `--env` and DATAVISION_ENV disagree, or a variable is missing or malformed.
    """
    settings = kind.load()
    if settings.env != environment:
        raise ConfigurationError(
            f"--env says {environment!r} but DATAVISION_ENV says {settings.env!r}: this container is configured for "
            f"{settings.env!r}. Run it with --env {settings.env}, or start the task of environment {environment!r}."
        )
    return settings


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_input=False, include_url=False):
        variable = "DATAVISION_" + "__".join(str(part) for part in item["loc"]).upper()
        if item["type"] == "missing":
            problems += [f"{name} is not set" for name in _variables(kind, str(item["loc"][0]), variable)]
        elif item["type"] == "extra_forbidden":
            problems.append(f"{variable} is not a known setting")
        else:
            problems.append(f"{variable}: {item['msg'].removeprefix('Value error, ')}")
    return "Configuration error: " + "; ".join(problems) + ". See the settings in the package's README."


def _variables(kind: type[BaseModel], field: str, variable: str) -> list[str]:
    """Return the variable itself or, for a section that is not set at all, all variables that it requires."""
    section = kind.model_fields[field].annotation
    if "__" in variable or not (isinstance(section, type) and issubclass(section, BaseModel)):
        return [variable]
    return [f"{variable}__{key.upper()}" for key, info in section.model_fields.items() if info.is_required()]
