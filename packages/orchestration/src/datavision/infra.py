"""Deploys `infra/*.yaml`, the CloudFormation stacks of one environment, and reads what they give.

The same templates make an AWS account and the embedded cloud. What moto leaves out of them is listed in
`docs/infrastructure.md`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError, WaiterError

from datavision.aws import client
from datavision.config import Config
from datavision.errors import UserError
from datavision.state import project_root

Action = Literal["created", "updated", "unchanged", "shared"]
FINGERPRINT_TAG = "datavision:fingerprint"
_IMPOSSIBLE_TO_UPDATE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"})


class InfraError(UserError):
    """A stack is missing, cannot be changed, or lacks an output."""


@dataclass(frozen=True)
class Stack:
    """One CloudFormation stack as it should be."""

    part: str
    name: str
    template: str
    parameters: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """A hash of template and parameters; equal means there is nothing to deploy."""
        text = self.template + repr(sorted(self.parameters.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def templates_dir() -> Path:
    """Return the folder of the CloudFormation templates."""
    return project_root() / "infra"


def stacks(config: Config, folder: Path, s3_prefix_list: str) -> list[Stack]:
    """Return the stacks of `config`'s environment in the order they are deployed."""
    parameters: dict[str, dict[str, str]] = {
        "network": {"Environment": config.env, "S3PrefixList": s3_prefix_list},
        "storage": {
            "Environment": config.env,
            "RawBucketName": config.storage.raw_bucket,
            "LakehouseBucketName": config.storage.lakehouse_bucket,
            "ReportsBucketName": config.storage.reports_bucket,
            "ResultsBucketName": config.storage.results_bucket,
        },
        "registry": {"Prefix": config.images.repository_prefix},
        "compute": {
            "Environment": config.env,
            "Cluster": config.ecs.cluster,
            "LogGroup": config.observability.log_group,
            "RepositoryPrefix": config.images.repository_prefix,
            "ExecutionRole": config.ecs.execution_role,
            "IngestaTaskRole": config.modules["ingesta"].task_role,
            "TransformacionTaskRole": config.modules["transformacion"].task_role,
            "SourceUrlSecret": config.secrets.source_url,
            "LakehouseCatalogUrlSecret": config.secrets.lakehouse_catalog_url,
            "RawBucket": config.storage.raw_bucket,
            "LakehouseBucket": config.storage.lakehouse_bucket,
            "ReportsBucket": config.storage.reports_bucket,
            "ResultsBucket": config.storage.results_bucket,
        },
    }
    if config.env != "local":
        parameters |= _beyond_the_laptop(config)
    names = {part: f"datavision-{config.env}-{part}" for part in parameters} | {"network": config.ecs.network_stack}
    return [
        Stack(part, names[part], (folder / f"{part}.yaml").read_text(encoding="utf-8"), values)
        for part, values in parameters.items()
    ]


def _beyond_the_laptop(config: Config) -> dict[str, dict[str, str]]:
    """Return the parameters of the stacks that `local` has other means for: database, Airflow, alarms."""
    log = {"Environment": config.env, "Cluster": config.ecs.cluster, "LogGroup": config.observability.log_group}
    parameters: dict[str, dict[str, str]] = {
        "database": {"Environment": config.env},
        "observability": {**log, "AlertEmail": config.alerts.email_to[0]},
    }
    if config.airflow.image and config.airflow.git_url:
        parameters["airflow"] = {
            **log,
            "Image": config.airflow.image,
            "GitUrl": config.airflow.git_url,
            "ExecutionRole": config.ecs.execution_role,
            "IngestaTaskRole": config.modules["ingesta"].task_role,
            "TransformacionTaskRole": config.modules["transformacion"].task_role,
            "RepositoryPrefix": config.images.repository_prefix,
            "ResultsBucket": config.storage.results_bucket,
        }
    return parameters


def deploy(config: Config, *, report: Callable[[str], None] = lambda _: None) -> dict[str, Action]:
    """Create or update the environment's stacks; returns what happened to each, by stack name.

    Stacks that are as they should be cost one DescribeStacks call in all.

    Raises:
        InfraError: CloudFormation refused or failed; the text says why and what to do.
    """
    cloudformation = client(config, "cloudformation")
    present = {
        stack["StackName"]: stack
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
    }
    done: dict[str, Action] = {}
    prefix_list = _s3_prefix_list(config, present.get(config.ecs.network_stack))
    for stack in stacks(config, templates_dir(), prefix_list):
        done[stack.name] = _deploy(config, cloudformation, stack, present.get(stack.name))
        report(f"{stack.name}: {done[stack.name]}")
    return done


def _deploy(config: Config, cloudformation: Any, stack: Stack, current: Mapping[str, Any] | None) -> Action:
    if current is None and stack.part == "registry" and _repositories_exist(config):
        # dev and prod may live in one account; its registry then belongs to the environment that was deployed first.
        return "shared"
    if current is not None and current["StackStatus"] in _IMPOSSIBLE_TO_UPDATE:
        raise InfraError(
            f"Stack {stack.name} is {current['StackStatus']} and cannot be updated. "
            f"Delete it (`aws cloudformation delete-stack --stack-name {stack.name}`) and deploy again."
        )
    if current is not None and _tag(current, FINGERPRINT_TAG) == stack.fingerprint:
        return "unchanged"
    arguments = {
        "StackName": stack.name,
        "TemplateBody": stack.template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [
            {"Key": FINGERPRINT_TAG, "Value": stack.fingerprint},
            {"Key": "datavision:environment", "Value": config.env},
        ],
    }
    verb, waiter = ("create", "stack_create_complete") if current is None else ("update", "stack_update_complete")
    try:
        getattr(cloudformation, f"{verb}_stack")(**arguments)
        cloudformation.get_waiter(waiter).wait(StackName=stack.name, WaiterConfig={"Delay": 5, "MaxAttempts": 360})
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return "unchanged"
        raise InfraError(_explain(config, stack, verb, str(error))) from error
    except WaiterError as error:
        raise InfraError(_explain(config, stack, verb, _first_failure(cloudformation, stack.name))) from error
    return "created" if current is None else "updated"


def put_secret_values(config: Config, values: Mapping[str, str]) -> list[str]:
    """Give the environment's secrets their values (keys as in `[secrets]`); returns the keys whose value changed.

    A secret that no stack made (moto's CloudFormation skips them) is created.
    """
    manager = client(config, "secretsmanager")
    changed = []
    for key, value in values.items():
        name = getattr(config.secrets, key)
        try:
            if manager.get_secret_value(SecretId=name)["SecretString"] == value:
                continue
            manager.put_secret_value(SecretId=name, SecretString=value)
        except manager.exceptions.ResourceNotFoundException:
            _first_value(manager, name, value)
        changed.append(key)
    return changed


def _first_value(manager: Any, name: str, value: str) -> None:
    try:
        manager.put_secret_value(SecretId=name, SecretString=value)
    except manager.exceptions.ResourceNotFoundException:
        manager.create_secret(Name=name, SecretString=value)


def secret_arns(config: Config, keys: tuple[str, ...]) -> dict[str, str]:
    """Return the ARNs of the secrets named by `keys` (as in `[secrets]`).

    Raises:
        InfraError: a secret does not exist.
    """
    manager = client(config, "secretsmanager")
    found = {}
    for key in keys:
        name = getattr(config.secrets, key)
        try:
            found[key] = manager.describe_secret(SecretId=name)["ARN"]
        except manager.exceptions.ResourceNotFoundException:
            raise InfraError(
                f"Secret {name} does not exist in {config.aws.region}. "
                f"Run `datavision infra deploy --env {config.env}` "
                f"and `datavision infra secret {key} --env {config.env}`."
            ) from None
    return found


def _s3_prefix_list(config: Config, network: Mapping[str, Any] | None) -> str:
    """Return the prefix list that the network stack has, else the region's; moto makes up another one at each start."""
    for parameter in network["Parameters"] if network else ():
        if parameter["ParameterKey"] == "S3PrefixList":
            return str(parameter["ParameterValue"])
    name = f"com.amazonaws.{config.aws.region}.s3"
    lists = client(config, "ec2").describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}]
    )["PrefixLists"]
    if not lists:
        raise InfraError(
            f"Region {config.aws.region} has no prefix list {name}. Check aws.region in the configuration."
        )
    return str(lists[0]["PrefixListId"])


def _repositories_exist(config: Config) -> bool:
    registry = client(config, "ecr")
    try:
        registry.describe_repositories(repositoryNames=[config.repository(module) for module in config.modules])
    except registry.exceptions.RepositoryNotFoundException:
        return False
    return True


def _tag(stack: Mapping[str, Any], key: str) -> str | None:
    return next((tag["Value"] for tag in stack.get("Tags", []) if tag["Key"] == key), None)


def _first_failure(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failures = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    if not failures:
        return "no failed event was recorded"
    first = failures[-1]
    return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', first['ResourceStatus'])}"


def _explain(config: Config, stack: Stack, verb: str, why: str) -> str:
    remedy = (
        "Start from an empty embedded cloud with `make clean`."
        if config.aws.endpoint_url
        else "Correct it and run `datavision infra deploy` again; CloudFormation has rolled the stack back."
    )
    return f"CloudFormation could not {verb} {stack.name}: {why}. {remedy}"
