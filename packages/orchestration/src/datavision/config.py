"""The configuration of one environment: `config/<env>.toml`, overridden by `DATAVISION_<SECTION>__<KEY>`.

Every infrastructure parameter is there and nowhere else: DAGs and modules know none of them.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from datavision.errors import ConfigError
from datavision.process_environment import ProcessEnvironment
from datavision.state import project_root, state_dir

ENVIRONMENTS = ("local", "dev", "prod")
Capacity = Literal["on-demand", "spot", "spot-then-on-demand"]
Seconds = Annotated[float, Field(gt=0)]
_CIDR = r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$"
_SERVER = r"^(https?://[A-Za-z0-9.:\[\]-]+(/\S*)?)?$"
_GATEWAY = r"^((pcx|tgw)-[0-9a-f]+)?$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Aws(_Section):
    """Where AWS is."""

    region: str
    account_id: str = Field(pattern=r"^\d{12}$")
    endpoint_url: str | None = Field(None, pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/\S*)?$")
    """The embedded cloud's address; unset on AWS."""
    termination_protection: bool = False
    """Whether the stacks are protected from deletion: `infra destroy` refuses until this is false and deployed."""


class Size(_Section):
    """A named Fargate size: CPU units (1024 = one vCPU) and MiB."""

    cpu: int
    memory: int


class Launch(_Section):
    """The launch budget, separate from Airflow's tries."""

    attempts: int = Field(6, ge=1)
    total_seconds: Seconds = 1800
    backoff_initial_seconds: Seconds = 2
    backoff_max_seconds: Seconds = 120
    start_deadline_seconds: Seconds = 600
    """A task that is not RUNNING by then is stopped and launched again."""


class Wait(_Section):
    """How a container is waited for: by a worker for a moment, then by the poll loop that asks for all."""

    min_interval_seconds: Seconds = 1
    max_interval_seconds: Seconds = 15
    missing_grace_seconds: Seconds = 20
    """A task just launched may be unknown for a moment: DescribeTasks is eventually consistent."""
    backoff_max_seconds: Seconds = 30
    """The longest pause after DescribeTasks failed."""
    worker_seconds: Annotated[float, Field(ge=0, le=60)] = 5
    """What runs at once and usually ends within this is waited for in the worker: a deferral takes seconds itself."""
    calls_per_second: Annotated[float, Field(gt=0, le=20)] = 10
    """Half of the API's 20/s, so that people and other tools have room (ECS service quotas, November 2026)."""


class Price(_Section):
    """Dollars per vCPU-hour and per GB-hour, on demand."""

    cpu_hour: Annotated[float, Field(gt=0)]
    gb_hour: Annotated[float, Field(gt=0)]
    spot_factor: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Spot costs up to 70 % less (AWS Fargate pricing page, November 2026); it varies, so its costs are estimates."""


class Ecs(_Section):
    """The cluster and the network that tasks run in."""

    cluster: str
    network_stack: str
    """CloudFormation stack whose outputs `PrivateSubnets` and `TaskSecurityGroup` place the tasks."""
    subnets: tuple[str, ...] = ()
    """Set to override the stack's output."""
    security_groups: tuple[str, ...] = ()
    platform_version: str = "1.4.0"
    cpu_architecture: Literal["X86_64", "ARM64"] = "X86_64"
    capacity: Capacity = "on-demand"
    execution_role: str
    """First part of the names of the roles that start containers: one per module, with its own secrets only."""
    launch: Launch = Launch()
    wait: Wait = Wait()
    price: Price | None = None
    """Unset: the table in datavision.fargate.outcome.cost."""


class Network(_Section):
    """Addresses of the environment's VPC, and its routes to other networks."""

    address_prefix: str = Field(pattern=r"^\d{1,3}\.\d{1,3}$")
    """First two octets of the VPC, a /16; networks that are ever to be connected must not share it."""
    source_cidr: str = Field(pattern=_CIDR)
    """Where the source PostgreSQL answers; tasks may open port 5432 there."""
    source_gateway: str = Field("", pattern=_GATEWAY)
    """Peering connection (pcx-…) or transit gateway (tgw-…) that leads there; empty: no route."""
    office_cidr: str = Field("", pattern=rf"{_CIDR}|^$")
    """Where people open Airflow's UI from, besides the VPC itself; empty: nowhere else."""
    office_gateway: str = Field("", pattern=_GATEWAY)
    nat: bool = False
    """Whether there is a way out to the internet, for a code host or an identity provider that lives there."""
    mail_zones: tuple[Literal["a", "b", "c"], ...] = ("a", "b", "c")
    """Subnets with SES's SMTP endpoint, which some availability zones do not offer; empty: no endpoint."""


class Images(_Section):
    """The registry, and what a release requires of an image."""

    repository_prefix: str = "datavision"
    registry: str | None = None
    """Host (and port) of another OCI registry that images are pushed to and pulled from; unset: ECR of the account."""
    engine: Literal["auto", "docker", "podman", "process"] = "auto"
    base_image: str
    """Base image of the Dockerfiles, by digest where the registry gives one."""
    scan_gate: Literal["off", "CRITICAL", "HIGH", "MEDIUM"] = "CRITICAL"
    """A finding of this severity or a higher one stops the release."""
    canary: bool = True
    """Whether each new image must first run its module's `doctor` as a real task."""
    reader_accounts: tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...] = ()
    """Other accounts that may pull from this account's registry: those that are promoted to from here."""
    keep_releases: int = Field(10, ge=1)
    keep_days: int = Field(180, ge=0)
    keep_unpinned_hours: Annotated[float, Field(ge=0)] = 24
    """An image that nothing needs is kept this long after its push: someone may be about to pin it."""
    prune_after_release: bool = False
    """Whether a release ends with deleting the images that nothing needs."""


class Storage(_Section):
    """Buckets, by name; `results` holds task results, and `audit` what ran, and who released what."""

    raw_bucket: str
    lakehouse_bucket: str
    reports_bucket: str
    results_bucket: str
    audit_bucket: str
    audit_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"
    """Who may delete an audit record before its time: whoever has a permission of its own, or nobody at all."""
    audit_lock_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """How long an audit record can be neither deleted nor overwritten, each version from when it was written."""
    landing_path: str
    """Folder or s3:// prefix of the landing files; a relative folder is below the state folder (also the next two)."""
    reports_path: str
    lakehouse_path: str


class Secrets(_Section):
    """Names of secrets in Secrets Manager, never values."""

    source_url: str
    lakehouse_catalog_url: str


class Module(_Section):
    """What a business module's tasks get unless a DAG asks for more."""

    task_role: str
    size: str = "small"
    max_memory: int = 30720
    """MiB; the ceiling for retries after an out-of-memory kill."""
    stop_timeout_seconds: Annotated[int, Field(ge=2, le=120)] = 30
    capacity: Capacity | None = None
    environment: dict[str, str] = {}
    secrets: tuple[Literal["source_url", "lakehouse_catalog_url"], ...] = ()


class Airflow(_Section):
    """This environment's Airflow; the local one is started automatically."""

    image: str | None = None
    """`registry/repository@digest` of its image (`datavision image push airflow`) until a release has pinned one."""
    git_url: str = Field("", pattern=r"^(s3://[a-z0-9.-]{3,63}/\S+|s[^3]\S*|[^s]\S*|)$")
    """The repository that holds `dags/` and the pins, as Airflow fetches it; s3://bucket/path: in a bucket of ours."""
    host: str = ""
    """Name of the UI, for which `certificate_arn` is; your DNS points it at the balancer. Unset: no Airflow is made."""
    certificate_arn: str = ""
    """ACM certificate of the internal balancer."""
    oidc_issuer: str = ""
    """OpenID Connect issuer (https://…) that people sign on with; the client's secret is in Secrets Manager."""
    oidc_client_id: str = ""
    oidc_admins: str = "datavision-admins"
    """Group (claim `groups`) whose members administer Airflow; everyone else may look."""
    shell: bool = False
    """Whether ECS Exec opens a shell in Airflow's containers."""
    api_url: str | None = None
    token: SecretStr | None = None
    """An API token; pass it as DATAVISION_AIRFLOW__TOKEN, never in the file."""

    @property
    def code_bucket(self) -> str:
        """The bucket of a repository in S3; empty for one elsewhere."""
        return self.git_url.removeprefix("s3://").partition("/")[0] if self.git_url.startswith("s3://") else ""


class Ci(_Section):
    """The workflows that release, promote and roll back."""

    repository: str = Field("", pattern=r"^([\w.-]+/[\w.-]+|[\w.-]+@\d+/[\w.-]+@\d+)?$")
    """owner/name on GitHub as its tokens say it, which may be owner@number/name@number. Its workflows may assume this
    environment's roles; empty: there are none."""
    make_provider: bool = True
    """Whether the stack of the roles makes the account's identity provider for GitHub, of which there is one."""
    promotes_from: str = Field("", pattern=r"^(\d{12})?$")
    """Account whose registry images are promoted from; empty: this one."""


class Alerts(_Section):
    """Who is notified of failures."""

    email_to: tuple[str, ...]
    email_from: str
    smtp_conn_id: str = "smtp_default"
    missing_after_minutes: Annotated[float, Field(gt=0)] = 15
    """How long after a run was due nothing of it may have started before somebody is told."""
    slow_factor: Annotated[float, Field(gt=1)] = 2
    """How many times as long as usual a task or a run may take before somebody is told."""
    slow_floor_minutes: Annotated[float, Field(ge=0)] = 10
    """What takes less is never told."""
    data_lag_days: Annotated[int, Field(ge=0)] = 1
    """How many business days the newest row at the source may be older than the run that loaded it."""
    monthly_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What containers may cost in a month before somebody is told; unset: nobody is."""


class Observability(_Section):
    """Where container logs go."""

    log_group: str
    forward_seconds: Seconds = 2
    """Pause between two reads of a container's log, which is forwarded to Airflow's."""
    forward_save_seconds: Seconds = 30
    """How often the triggerer saves its position: the most it repeats when it is killed."""


class OpenLineage(_Section):
    """Where the lineage of what containers read and write goes."""

    url: str = Field("", pattern=_SERVER)
    """A server that takes OpenLineage events at `/api/v1/lineage`; empty: lineage is off."""
    namespace: str = ""
    """Of the jobs; empty: `datavision-<env>`."""


class OpenTelemetry(_Section):
    """Where traces and metrics go."""

    endpoint: str = Field("", pattern=_SERVER)
    """A server that takes OTLP over HTTP at `/v1/traces` and `/v1/metrics`; empty: both are off."""


class Config(BaseSettings):
    """One environment's configuration, validated; unknown keys and missing values are errors."""

    model_config = SettingsConfigDict(
        env_prefix="DATAVISION_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    env: Literal["local", "dev", "prod"]
    aws: Aws
    network: Network
    ecs: Ecs
    images: Images
    storage: Storage
    secrets: Secrets
    airflow: Airflow = Airflow()
    ci: Ci = Ci()
    alerts: Alerts
    observability: Observability
    openlineage: OpenLineage = OpenLineage()
    opentelemetry: OpenTelemetry = OpenTelemetry()
    sizes: dict[str, Size]
    modules: dict[str, Module]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` hands in, and nothing from the process behind its back."""
        return (init_settings,)

    def registry(self) -> str:
        """Return the registry host: `images.registry`, else ECR of this environment's account."""
        return self.images.registry or f"{self.aws.account_id}.dkr.ecr.{self.aws.region}.amazonaws.com"

    def repository(self, module: str) -> str:
        """Return the ECR repository name of a module, e.g. `datavision/ingesta`."""
        return f"{self.images.repository_prefix}/{module}"

    def image_reference(self, repository: str, digest: str) -> str:
        """Return the name of an image by digest, so that it cannot change under a tag."""
        return f"{self.registry()}/{repository}@{digest}"

    def execution_role(self, module: str) -> str:
        """Return the name of the role that starts a module's containers, e.g. `datavision-dev-execution-ingesta`."""
        return f"{self.ecs.execution_role}-{module}"

    def task_family(self, module: str) -> str:
        """Return the task definition family of a module, e.g. `datavision-dev-ingesta`."""
        return f"{self.images.repository_prefix}-{self.env}-{module}"


def config_dir(process: ProcessEnvironment | None = None) -> Path:
    """Return the folder of the configuration files: `DATAVISION_CONFIG_DIR`, or `config/` of the repository."""
    return (process or ProcessEnvironment.current()).config_dir or project_root() / "config"


def current_env() -> str:
    """Return the environment's name: `DATAVISION_ENV`, or `local`."""
    return ProcessEnvironment.current().env


def load(env: str | None = None, process: ProcessEnvironment | None = None) -> Config:
    """Read and validate the configuration of `env` (default: `DATAVISION_ENV`), under the variables of `process`.

    Raises:
        ConfigError: The file is missing, is not TOML, or has an unknown, missing or invalid value; it names the file,
            the key and what was expected.
    """
    process = process or ProcessEnvironment.current()
    name = env or process.env
    if name not in ENVIRONMENTS:
        raise ConfigError(f"There is no environment {name!r}. Use one of: {', '.join(ENVIRONMENTS)}.")
    config = _load(name, config_dir(process) / f"{name}.toml", tuple(sorted(process.overrides.items())))
    folders = {key: path for key in _FOLDERS if "://" not in (path := str(getattr(config.storage, key)))}
    if not folders:  # nothing of it lies here, and there may be no state folder
        return config
    state = state_dir(process)
    storage = config.storage.model_copy(update={key: str(state / path) for key, path in folders.items()})
    return config.model_copy(update={"storage": storage})


_FOLDERS = ("landing_path", "reports_path", "lakehouse_path")


class _Overrides(EnvSettingsSource):
    """The keys that `DATAVISION_<SECTION>__<KEY>` sets, of the variables that are handed in."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(Config)
        self.env_vars = {name.lower(): value for name, value in variables.items()}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, section by section; where both have a value, that of `above`."""
    found = dict(below)
    for key, value in above.items():
        section = found.get(key)
        found[key] = _merged(section, value) if isinstance(section, dict) and isinstance(value, dict) else value
    return found


@cache
def _load(name: str, path: Path, overrides: tuple[tuple[str, str], ...]) -> Config:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist. Copy config/local.toml and adapt it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Correct it, or restore it from git.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Restore it from git.") from error
    unknown = sorted(
        key
        for key, _ in overrides
        if "__" in key and key.removeprefix("DATAVISION_").split("__")[0].lower() not in Config.model_fields
    )
    unknown = [key for key in unknown if key.split("__")[0] not in _MODULE_SECTIONS]
    if unknown:
        raise ConfigError(
            f"{unknown[0]} overrides nothing: its section is not one of {', '.join(sorted(Config.model_fields))}."
        )
    try:
        # The name wins: DATAVISION_ENV is only the default of whoever asks for no environment by name.
        return Config(**{**_merged(values, _Overrides(dict(overrides))()), "env": name})
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from None
    except SettingsError as error:
        # Sections, lists and tables in a variable must be JSON. The cause would show the value, which may be a secret.
        raise ConfigError(f"A DATAVISION_ variable is not valid JSON: {error}. Correct or unset it.") from None


_MODULE_SECTIONS = frozenset(
    f"DATAVISION_{section}"
    for section in ("SOURCE", "LAKEHOUSE", "AUDIT", "LANDING", "REPORTS", "INGESTA", "TRANSFORMACION", "LOCAL")
)
"""Sections read by the modules and the local stack, not by this configuration."""


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        variable = "DATAVISION_" + "__".join(str(part).upper() for part in item["loc"])
        found = "" if item["type"] == "missing" else f" (found {item['input']!r})"
        lines.append(f"{path}: {key}: {item['msg']}{found}; set it there or with {variable}")
    return "\n".join(lines) + "."
