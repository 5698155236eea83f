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
from datavision.infra.plan import StackPlan, is_up_to_date, plan_stack
from datavision.infra.secrets import fill_in_generated, missing_secrets
from datavision.infra.stacks import FINGERPRINT_TAG, Stack, stacks, templates_dir

Action = Literal["created", "updated", "unchanged", "shared"]
Report = Callable[[str], None]
Approve = Callable[[StackPlan], bool]
"""Is shown what an update would do before it is done, and says whether it may be."""


def plan(config: Config) -> list[StackPlan]:
    """Return what `deploy` would do to each stack, in its order; nothing is changed.

    Raises:
        InfraError: CloudFormation cannot say.
    """
    cloudformation = checked_client(config, "cloudformation")
    present = present_stacks(cloudformation)
    found = []
    for stack in stacks(config, templates_dir(), _s3_prefix_list(config, present.get(config.ecs.network_stack))):
        current = present.get(stack.name)
        if _is_shared(config, stack, current):
            found.append(StackPlan(stack.name, "shared"))
            continue
        if stack.part == "bootstrap" and current is not None:
            stack = _with_database(config, stack)
        edge = StackEdge(cloudformation, stack.name, lambda _: None)
        found.append(plan_stack(edge, stack, current, _arguments(config, stack)))
    return found


def deploy(config: Config, *, report: Report = lambda _: None, approve: Approve | None = None) -> dict[str, Action]:
    """Create or update the environment's stacks; returns what happened to each, by stack name.

    Stacks that are as they should be cost one DescribeStacks call in all. One that is in progress is waited for; what a
    failed attempt left is deleted and made again. Without `approve` nobody is asked.

    Raises:
        InfraError: CloudFormation refused or failed, a secret that the next stack needs has no value, or an update was
            not approved; the text says why and what to do.
    """
    cloudformation = checked_client(config, "cloudformation")
    present = present_stacks(cloudformation)
    done: dict[str, Action] = {}
    prefix_list = _s3_prefix_list(config, present.get(config.ecs.network_stack))
    for stack in stacks(config, templates_dir(), prefix_list):
        _check_secrets(config, stack)
        if stack.part == "bootstrap":
            stack = _with_database(config, stack)
        current = present.get(stack.name)
        if _is_shared(config, stack, current):
            # dev and prod may live in one account; its registry then belongs to the environment deployed first.
            done[stack.name] = "shared"
        else:
            done[stack.name] = _deploy(config, cloudformation, stack, current, report, approve)
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


def present_stacks(cloudformation: Any) -> dict[str, Mapping[str, Any]]:
    """Return the account's stacks by name."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return {stack["StackName"]: stack for page in pages for stack in page["Stacks"]}


def _deploy(
    config: Config,
    cloudformation: Any,
    stack: Stack,
    current: Mapping[str, Any] | None,
    report: Report,
    approve: Approve | None,
) -> Action:
    edge = StackEdge(cloudformation, stack.name, report)
    if current is not None and current["StackStatus"] not in SETTLED:
        current = edge.recover()
    if current is not None:
        _protect(config, cloudformation, stack, current, report)
        if is_up_to_date(stack, current):
            return "unchanged"
    if current is None and stack.part == "compute":
        _ensure_ecs_role(config)
    arguments = _arguments(config, stack)
    if current is not None and approve is not None:
        _ask(config, plan_stack(edge, stack, current, arguments), approve)
    edge.mark()
    try:
        if current is None:
            cloudformation.create_stack(**arguments, EnableTerminationProtection=config.aws.termination_protection)
        else:
            cloudformation.update_stack(**arguments)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return "unchanged"
        raise InfraError(_explain(config, stack, current, str(error))) from error
    after = edge.settle()
    if after is None or after["StackStatus"] not in SETTLED:
        raise InfraError(_explain(config, stack, current, edge.failure()))
    return "created" if current is None else "updated"


def _ask(config: Config, planned: StackPlan, approve: Approve) -> None:
    if not approve(planned):
        listed = ", ".join(map(str, planned.asked_for))
        raise InfraError(
            f"Stack {planned.stack} was not changed, because nobody agreed to: {listed}. Look at "
            f"`datavision infra plan --env {config.env}`, then deploy on a terminal, or with --yes."
        )


def _protect(config: Config, cloudformation: Any, stack: Stack, current: Mapping[str, Any], report: Report) -> None:
    """Set the stack's termination protection as configured."""
    wanted = config.aws.termination_protection
    if bool(current.get("EnableTerminationProtection")) == wanted:
        return
    cloudformation.update_termination_protection(StackName=stack.name, EnableTerminationProtection=wanted)
    report(f"{stack.name}: termination protection {'on' if wanted else 'off'}")


def _arguments(config: Config, stack: Stack) -> dict[str, Any]:
    """Return the arguments of CreateStack and UpdateStack."""
    return {
        "StackName": stack.name,
        "TemplateBody": stack.template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [
            {"Key": FINGERPRINT_TAG, "Value": stack.fingerprint},
            {"Key": "datavision:environment", "Value": config.env},
        ],
    }


def _is_shared(config: Config, stack: Stack, current: Mapping[str, Any] | None) -> bool:
    return current is None and stack.part == "registry" and _repositories_exist(config)


def _with_database(config: Config, stack: Stack) -> Stack:
    return replace(stack, parameters={**stack.parameters, **_database(config)})


def _ensure_ecs_role(config: Config) -> None:
    """Create ECS's service-linked role, once per account: a cluster with capacity providers fails without it."""
    iam = checked_client(config, "iam")
    with suppress(iam.exceptions.InvalidInputException, iam.exceptions.EntityAlreadyExistsException):  # it is there
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


def _database(config: Config) -> dict[str, str]:
    """Return the database's address, port and the secret with its master password, as RDS decided when it made it."""
    rds, name = checked_client(config, "rds"), f"datavision-{config.env}"
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    endpoint = found["Endpoint"]
    return {
        "DatabaseAddress": endpoint["Address"],
        "DatabasePort": str(endpoint["Port"]),
        "MasterSecretArn": found["MasterUserSecret"]["SecretArn"],
    }


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


def _explain(config: Config, stack: Stack, current: Mapping[str, Any] | None, why: str) -> str:
    remedy = (
        "Start from an empty embedded cloud with `make clean`."
        if Environment(config).runs_here
        else "Fix it and run `datavision infra deploy` again; CloudFormation has rolled the stack back."
    )
    return f"CloudFormation could not {'update' if current else 'create'} {stack.name}: {why}. {remedy}"
