"""Checks everything a run needs, and says how to fix what is missing."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from datavision.aws import check_account, checked_client
from datavision.config import Config
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.infra.secrets import ASKED_FOR, BOOTSTRAPPED, GENERATED, has_value, secret_name
from datavision.mail import check_mail
from datavision.pins import read_pin
from datavision.state import project_root, state_dir

FARGATE_VCPU_QUOTA = "L-3032A538"
"""Fargate On-Demand vCPU resource count (Service Quotas, November 2026)."""
AIRFLOW_VCPU = 9
"""Two API servers, two schedulers of two vCPU, a DAG processor and two triggerers, as in infra/airflow.yaml."""
FREE_BYTES_WANTED = 5 * 2**30
"""Images, Airflow's environment and the sample data take about half of it."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `remedy` is empty when it passed."""

    check: str
    detail: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return not self.remedy


def examine_machine() -> Iterator[Finding]:
    """Check what the embedded stack needs from this machine."""
    version = sys.version.split()[0]
    fit = sys.version_info >= (3, 11)
    yield Finding("python", version, "" if fit else "Install Python 3.11 or newer.")
    git = shutil.which("git")
    yield Finding("git", git or "not found", "" if git else "Install git; pins are commits.")
    state = state_dir()
    state.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(state).free
    enough = free >= FREE_BYTES_WANTED
    yield Finding(
        "disk", f"{free / 2**30:.0f} GiB free in {state}", "" if enough else "Free some space: 5 GiB are needed."
    )


def examine_environment(config: Config, pipelines: list[str]) -> Iterator[Finding]:
    """Check what runs in `config`'s environment need from AWS; pins are looked up for `pipelines`."""
    deploy = f"Run `datavision infra deploy --env {config.env}`."
    account = _attempt("account", "Sign in to the environment's account.", partial(check_account, config))
    yield account
    if not account.ok:  # every other check would ask the wrong account, or none
        return
    yield _attempt("cluster", deploy, partial(_cluster, config))
    yield _attempt("network", deploy, partial(_network, config))
    storage = config.storage
    for bucket in (
        *(storage.raw_bucket, storage.lakehouse_bucket, storage.reports_bucket),
        *(storage.results_bucket, storage.audit_bucket),
    ):
        yield _attempt(f"bucket {bucket}", deploy, partial(_bucket, config, bucket))
    for key, verb in _secrets_of(config).items():
        yield _attempt(f"secret {key}", f"Run `datavision {verb} --env {config.env}`.", partial(_secret, config, key))
    if Environment(config).has_airflow_stacks:
        remedy = f"Correct it with `datavision infra secret smtp --env {config.env}`."
        yield _attempt("mail", remedy, partial(_mail, config))
        first = config.alerts.email_to[0]
        remedy = (
            f"Open the link that AWS mailed to {first}. SNS forgets in 48 hours who did not; then `aws sns subscribe "
            f"--topic-arn {_alerts_topic(config)} --protocol email --notification-endpoint {first}` sends another."
        )
        yield _attempt("alarms", remedy, partial(_alarms, config))
        remedy = f"Request more in Service Quotas, service Fargate, in {config.aws.region}."
        yield _attempt("fargate quota", remedy, partial(_quota, config))
    for pipeline in pipelines:
        remedy = f"Run `datavision release --env {config.env}`."
        yield _attempt(f"pin {pipeline}", remedy, partial(_pin, config, pipeline))


def pipelines_of(dags_folder: Path) -> list[str]:
    """Return the pipelines of a `dags/` folder: one per `pipeline_*.py`."""
    return sorted(path.stem for path in dags_folder.glob("pipeline_*.py"))


def _attempt(check: str, remedy: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(check, probe())
    except (UserError, BotoCoreError, ClientError) as error:
        return Finding(check, str(error), remedy)


def _cluster(config: Config) -> str:
    found = checked_client(config, "ecs").describe_clusters(clusters=[config.ecs.cluster])["clusters"]
    if not found or found[0]["status"] != "ACTIVE":
        raise UserError(f"cluster {config.ecs.cluster} does not exist")
    return config.ecs.cluster


def _network(config: Config) -> str:
    ec2 = checked_client(config, "ec2")
    subnets = config.ecs.subnets or _stack_subnets(config)
    found = ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    return ", ".join(f"{subnet['SubnetId']} ({subnet['AvailabilityZone']})" for subnet in found)


def _stack_subnets(config: Config) -> list[str]:
    (stack,) = checked_client(config, "cloudformation").describe_stacks(StackName=config.ecs.network_stack)["Stacks"]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    return str(outputs["PrivateSubnets"]).split(",")


def _bucket(config: Config, name: str) -> str:
    checked_client(config, "s3").head_bucket(Bucket=name)
    return "reachable"


def _secrets_of(config: Config) -> dict[str, str]:
    """Return the secrets that must have values, each with the command that sets it."""
    keys = {"source_url": "infra secret source_url", "lakehouse_catalog_url": "infra secret lakehouse_catalog_url"}
    if not Environment(config).has_airflow_stacks:
        return keys
    needed = [key for key in ASKED_FOR if key != "airflow_git" or not config.airflow.code_bucket]
    asked = {key: f"infra secret {key}" for key in needed}
    return asked | dict.fromkeys(BOOTSTRAPPED, "infra bootstrap") | dict.fromkeys(GENERATED, "infra deploy")


def _secret(config: Config, key: str) -> str:
    name = secret_name(config, key)
    if not has_value(config, key):
        raise UserError(f"{name} has no value yet")
    return name


def smtp_secret(config: Config) -> str:
    """Return Airflow's connection to the mail server, in JSON, from the environment's secret."""
    secrets = checked_client(config, "secretsmanager")
    value: str = secrets.get_secret_value(SecretId=secret_name(config, "smtp"))["SecretString"]
    return value


def _mail(config: Config) -> str:
    return check_mail(smtp_secret(config))


def _alerts_topic(config: Config) -> str:
    """Return the ARN of the topic of infra/observability.yaml."""
    return f"arn:aws:sns:{config.aws.region}:{config.aws.account_id}:datavision-{config.env}-alerts"


def _alarms(config: Config) -> str:
    """Return whom CloudWatch's alarms and the watchdog's event are mailed to.

    Raises:
        UserError: To nobody: who is subscribed has not confirmed it.
    """
    pages = checked_client(config, "sns").get_paginator("list_subscriptions_by_topic")
    subscriptions = [
        found for page in pages.paginate(TopicArn=_alerts_topic(config)) for found in page["Subscriptions"]
    ]
    # Until then there is `PendingConfirmation` in the place of an ARN.
    confirmed = [found["Endpoint"] for found in subscriptions if found["SubscriptionArn"].startswith("arn:")]
    if not confirmed:
        raise UserError("nobody has confirmed the subscription to the alerts' topic, so no alarm reaches anybody")
    return f"to {', '.join(sorted(confirmed))}"


def _quota(config: Config) -> str:
    """Compare the account's vCPUs with what Airflow and the two largest tasks need at once; a new account has 6.

    Raises:
        UserError: There are too few.
    """
    largest = max(config.sizes[module.size].cpu for module in config.modules.values()) / 1024
    wanted = AIRFLOW_VCPU + 2 * largest
    quotas = checked_client(config, "service-quotas")
    found = float(quotas.get_service_quota(ServiceCode="fargate", QuotaCode=FARGATE_VCPU_QUOTA)["Quota"]["Value"])
    if found < wanted:
        raise UserError(f"{found:g} vCPU on demand, but Airflow and two tasks at once need {wanted:g}")
    return f"{found:g} vCPU on demand, {wanted:g} needed"


def _pin(config: Config, pipeline: str) -> str:
    pin = read_pin(_dags_folder(config), config.env, pipeline)
    for image in pin.images.values():
        checked_client(config, "ecr").describe_images(
            repositoryName=image.repository, imageIds=[{"imageDigest": image.digest}]
        )
        definition = checked_client(config, "ecs").describe_task_definition(taskDefinition=image.task_definition)[
            "taskDefinition"
        ]
        if definition["status"] != "ACTIVE":
            raise UserError(f"task definition {image.task_definition} is {definition['status']}")
    return f"release {pin.version}"


def _dags_folder(config: Config) -> Path:
    return project_root() / "dags"
