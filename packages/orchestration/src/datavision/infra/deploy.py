"""Creates and updates the stacks of one environment, in order."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from botocore.exceptions import ClientError

from datavision.aws import checked_client
from datavision.config import Config
from datavision.environment import Environment
from datavision.infra.cloudformation import SETTLED, StackEdge
from datavision.infra.errors import InfraError
from datavision.infra.secrets import fill_in_generated, missing_secrets
from datavision.infra.stacks import FINGERPRINT_TAG, Stack, stacks, templates_dir

Action = Literal["created", "updated", "unchanged", "shared"]
Report = Callable[[str], None]


def deploy(config: Config, *, report: Report = lambda _: None) -> dict[str, Action]:
    """Create or update the environment's stacks; return what happened to each, by stack name.

    Up-to-date stacks cost one DescribeStacks call in all. A stack in progress is waited for; what a failed attempt left
    behind is deleted and created again.

    Raises:
        InfraError: CloudFormation refused or failed, or a secret that the next stack needs has no value; the text says
            why and what to do.
    """
    cloudformation = checked_client(config, "cloudformation")
    present = {
        stack["StackName"]: stack
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
    }
    done: dict[str, Action] = {}
    prefix_list = _s3_prefix_list(config, present.get(config.ecs.network_stack))
    for stack in stacks(config, templates_dir(), prefix_list):
        _check_secrets(config, stack)
        if stack.part == "bootstrap":
            stack = replace(stack, parameters={**stack.parameters, **_database(config)})
        done[stack.name] = _deploy(config, cloudformation, stack, present.get(stack.name), report)
        report(f"{stack.name}: {done[stack.name]}")
        if stack.part == "secrets" and Environment(config).has_airflow_stacks:
            fill_in_generated(config)
    return done


def _check_secrets(config: Config, stack: Stack) -> None:
    """Check that a stack's containers can start: the secrets they need have values.

    Raises:
        InfraError: One has none; the text says which command sets it.
    """
    missing = missing_secrets(config, stack.needs)
    if missing:
        commands = " and ".join(f"`datavision {verb} --env {config.env}`" for verb in missing.values())
        raise InfraError(
            f"Stack {stack.name} needs secrets that have no value yet: {', '.join(missing)}. Run {commands}, then "
            "deploy again; the stacks before it have been deployed."
        )


def _deploy(
    config: Config, cloudformation: Any, stack: Stack, current: Mapping[str, Any] | None, report: Report
) -> Action:
    if current is None and stack.part == "registry" and _repositories_exist(config):
        # dev and prod may share an account; its registry then belongs to the environment that was deployed first.
        return "shared"
    edge = StackEdge(cloudformation, stack.name, report)
    if current is not None and current["StackStatus"] not in SETTLED:
        current = edge.recover()
    if current is not None and _tag(current, FINGERPRINT_TAG) == stack.fingerprint:
        return "unchanged"
    if current is None and stack.part == "compute":
        _ensure_ecs_role(config)
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
    verb = "create" if current is None else "update"
    edge.mark()
    try:
        getattr(cloudformation, f"{verb}_stack")(**arguments)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return "unchanged"
        raise InfraError(_explain(config, stack, verb, str(error))) from error
    after = edge.settle()
    if after is None or after["StackStatus"] not in SETTLED:
        raise InfraError(_explain(config, stack, verb, edge.failure()))
    return "created" if current is None else "updated"


def _ensure_ecs_role(config: Config) -> None:
    """Create ECS's service-linked role, once per account: a cluster with capacity providers fails without it."""
    iam = checked_client(config, "iam")
    with suppress(iam.exceptions.InvalidInputException, iam.exceptions.EntityAlreadyExistsException):  # it is there
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


def _database(config: Config) -> dict[str, str]:
    """Return the database's address and the secret with its master password: RDS decides both when it creates it."""
    rds, name = checked_client(config, "rds"), f"datavision-{config.env}"
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    if "MasterUserSecret" not in found:  # moto's CloudFormation leaves out ManageMasterUserPassword
        rds.modify_db_instance(DBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True)
        (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return {"DatabaseAddress": found["Endpoint"]["Address"], "MasterSecretArn": found["MasterUserSecret"]["SecretArn"]}


def _s3_prefix_list(config: Config, network: Mapping[str, Any] | None) -> str:
    """Return the prefix list that the network stack has, else the region's; moto makes up another one at each start.

    Raises:
        InfraError: The region has none.
    """
    for parameter in network["Parameters"] if network else ():
        if parameter["ParameterKey"] == "S3PrefixList":
            return str(parameter["ParameterValue"])
    name = f"com.amazonaws.{config.aws.region}.s3"
    lists = checked_client(config, "ec2").describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}]
    )["PrefixLists"]
    if not lists:
        raise InfraError(
            f"Region {config.aws.region} has no prefix list {name}. Check aws.region in the configuration."
        )
    return str(lists[0]["PrefixListId"])


def _repositories_exist(config: Config) -> bool:
    registry = checked_client(config, "ecr")
    try:
        registry.describe_repositories(repositoryNames=[config.repository(module) for module in config.modules])
    except registry.exceptions.RepositoryNotFoundException:
        return False
    return True


def _tag(stack: Mapping[str, Any], key: str) -> str | None:
    return next((tag["Value"] for tag in stack.get("Tags", []) if tag["Key"] == key), None)


def _explain(config: Config, stack: Stack, verb: str, why: str) -> str:
    remedy = (
        "Start from an empty embedded cloud with `make clean`."
        if Environment(config).embedded_url
        else "Fix it and run `datavision infra deploy` again; CloudFormation has rolled the stack back."
    )
    return f"CloudFormation could not {verb} {stack.name}: {why}. {remedy}"
