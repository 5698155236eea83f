"""The desired stacks of an environment: templates, and their parameters from the configuration."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datavision.config import Config
from datavision.environment import Environment
from datavision.pins import AIRFLOW, pin_path, read_pin
from datavision.state import project_root

FINGERPRINT_TAG = "datavision:fingerprint"
IMAGE = "Image"
"""The parameter of the stacks that run Airflow's image."""
IMAGE_PARTS = ("bootstrap", "airflow", "watchdog")
"""These stacks."""
_IMPORT = re.compile(r'"Fn::ImportValue": !Sub "([^"]+)"')
_EXPORT = re.compile(r'Export: {Name: !Sub "([^"]+)"}')


@dataclass(frozen=True)
class Stack:
    """One CloudFormation stack in its desired state."""

    part: str
    name: str
    template: str
    parameters: Mapping[str, str]

    @property
    def image(self) -> str:
        """The image that its containers run, which a release may change apart from all else; empty without one."""
        return self.parameters.get(IMAGE, "")

    @property
    def fingerprint(self) -> str:
        """A hash of template and parameters save `image`; if both are equal there is nothing to deploy."""
        others = {name: value for name, value in self.parameters.items() if name != IMAGE}
        text = self.template + repr(sorted(others.items()))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the secrets that must have values before its containers start."""
        if self.part != "airflow":
            return ()
        repository = () if self.parameters["CodeBucket"] else ("airflow_git",)
        return ("airflow_database_url", *repository, "airflow_oidc", "smtp")

    @property
    def holds_data(self) -> bool:
        """Whether its template keeps something when the stack goes."""
        return "DeletionPolicy: " in self.template

    def imports_from(self, other: "Stack") -> bool:
        """Say whether this template imports one of the other's exports."""
        return bool(set(_IMPORT.findall(self.template)) & set(_EXPORT.findall(other.template)))


def templates_dir() -> Path:
    """Return the folder of the CloudFormation templates."""
    return project_root() / "infra"


def stack_names(config: Config) -> list[str]:
    """Return the names of the environment's stacks, in the order of their deployment."""
    return [stack.name for stack in stacks(config, templates_dir(), "")]


def stack_name(config: Config, part: str) -> str:
    """Return the name of the stack of a part, e.g. `datavision-dev-airflow`."""
    return config.ecs.network_stack if part == "network" else f"datavision-{config.env}-{part}"


def stacks(config: Config, folder: Path, s3_prefix_list: str) -> list[Stack]:
    """Return the stacks of `config`'s environment in deployment order: each after those it needs."""
    names = {
        "Environment": config.env,
        "RepositoryPrefix": config.images.repository_prefix,
        "Cluster": config.ecs.cluster,
        "LogGroup": config.observability.log_group,
    }
    roles = {
        "IngestaTaskRole": config.modules["ingesta"].task_role,
        "TransformacionTaskRole": config.modules["transformacion"].task_role,
        "IngestaExecutionRole": config.execution_role("ingesta"),
        "TransformacionExecutionRole": config.execution_role("transformacion"),
    }
    parameters: dict[str, dict[str, str]] = {
        "network": {"S3PrefixList": s3_prefix_list, **_network(config)},
        "storage": {
            "Environment": config.env,
            "RawBucketName": config.storage.raw_bucket,
            "LakehouseBucketName": config.storage.lakehouse_bucket,
            "ReportsBucketName": config.storage.reports_bucket,
            "ResultsBucketName": config.storage.results_bucket,
            "CodeBucketName": config.airflow.code_bucket,
            "AuditBucketName": config.storage.audit_bucket,
            "AuditLockMode": config.storage.audit_lock_mode,
            "AuditLockDays": str(config.storage.audit_lock_days),
        },
        "registry": {
            "Prefix": config.images.repository_prefix,
            "ReaderAccounts": ",".join(config.images.reader_accounts),
        },
        "secrets": {
            "Environment": config.env,
            "Prefix": config.images.repository_prefix,
            "SourceUrlSecret": config.secrets.source_url,
            "LakehouseCatalogUrlSecret": config.secrets.lakehouse_catalog_url,
        },
        "compute": {
            **names,
            **roles,
            "SourceUrlSecret": config.secrets.source_url,
            "LakehouseCatalogUrlSecret": config.secrets.lakehouse_catalog_url,
            "RawBucket": config.storage.raw_bucket,
            "LakehouseBucket": config.storage.lakehouse_bucket,
            "ReportsBucket": config.storage.reports_bucket,
            "ResultsBucket": config.storage.results_bucket,
            "AuditBucket": config.storage.audit_bucket,
        },
    }
    if Environment(config).has_airflow_stacks:
        parameters |= _beyond_the_laptop(config, names, roles)
    return [
        Stack(part, stack_name(config, part), (folder / f"{part}.yaml").read_text(encoding="utf-8"), values)
        for part, values in parameters.items()
    ]


def airflow_image(config: Config) -> str | None:
    """Return `registry/repository@digest` of the environment's Airflow: as pinned, else as configured, else None.

    Raises:
        PinError: Its pin is malformed.
    """
    dags = project_root() / "dags"
    if not pin_path(dags, config.env, AIRFLOW).exists():
        return config.airflow.image
    pinned = read_pin(dags, config.env, AIRFLOW).image(AIRFLOW)
    return f"{config.registry()}/{pinned.repository}@{pinned.digest}"


def _network(config: Config) -> dict[str, str]:
    network = config.network
    return {
        "Environment": config.env,
        "AddressPrefix": network.address_prefix,
        "SourceCidr": network.source_cidr,
        "SourceGateway": network.source_gateway,
        "OfficeCidr": network.office_cidr,
        "OfficeGateway": network.office_gateway,
        "Nat": _yes(network.nat),
        "MailZones": "".join(network.mail_zones) if Environment(config).has_airflow_stacks else "",
    }


def _beyond_the_laptop(config: Config, names: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the parameters of the stacks that `local` replaces by other means: database, Airflow, alarms."""
    airflow, image = config.airflow, airflow_image(config)
    parameters: dict[str, dict[str, str]] = {
        "database": {"Environment": config.env},
        "observability": {
            "Environment": config.env,
            "Cluster": config.ecs.cluster,
            "LogGroup": config.observability.log_group,
            "AlertEmail": config.alerts.email_to[0],
        },
    }
    if config.ci.repository:
        parameters["ci-roles"] = _ci_roles(config, names, roles)
    if image:
        parameters["bootstrap"] = {
            **{key: value for key, value in names.items() if key != "Cluster"},
            IMAGE: image,
            "LakehouseCatalogUrlSecret": config.secrets.lakehouse_catalog_url,
        }
    if image and Environment(config).runs_airflow:
        both = {
            **names,
            IMAGE: image,
            "GitUrl": airflow.git_url,
            "CodeBucket": airflow.code_bucket,
            "ResultsBucket": config.storage.results_bucket,
            "AuditBucket": config.storage.audit_bucket,
            "Host": airflow.host,
        }
        parameters["airflow"] = {
            **both,
            **roles,
            "CertificateArn": airflow.certificate_arn,
            "OfficeCidr": config.network.office_cidr,
            "Nat": _yes(config.network.nat),
            "OidcIssuer": airflow.oidc_issuer,
            "OidcClientId": airflow.oidc_client_id,
            "OidcAdmins": airflow.oidc_admins,
            "Shell": _yes(airflow.shell),
            "OtlpEndpoint": config.opentelemetry.endpoint,
        }
        parameters["watchdog"] = both
    return parameters


def _ci_roles(config: Config, names: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, str]:
    return {
        **names,
        **roles,
        "GithubRepository": config.ci.repository,
        "MakeProvider": _yes(config.ci.make_provider),
        "SourceRegistryAccount": config.ci.promotes_from or config.aws.account_id,
        "NetworkStack": config.ecs.network_stack,
        "ResultsBucket": config.storage.results_bucket,
        "AuditBucket": config.storage.audit_bucket,
        "SourceUrlSecret": config.secrets.source_url,
        "LakehouseCatalogUrlSecret": config.secrets.lakehouse_catalog_url,
        "CodeBucket": config.airflow.code_bucket,
        "Airflow": _yes(Environment(config).runs_airflow),
    }


def _yes(value: bool) -> str:
    return "true" if value else "false"
