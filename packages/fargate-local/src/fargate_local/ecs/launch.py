"""RunTask's request checked, or rejected as ECS rejects it.

Messages: those that ECS returns (API reference RunTask, developer guide "API failure reasons", and the error texts that
users quote; read November 2026).
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from fargate_local.cloud.catalog import Catalog, Subnet
from fargate_local.ecs import sizes
from fargate_local.ecs.identifiers import check_identifier
from fargate_local.ecs.tags import check_tags
from fargate_local.protocol import reasons
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.errors import ClientError, InvalidParameterError

OVERRIDES_LIMIT = 8192
COUNT_LIMIT = 10
PLATFORM_VERSIONS = {"LATEST": "1.4.0", "1.4.0": "1.4.0", "1.3.0": "1.3.0"}
PROVIDERS = frozenset({"FARGATE", "FARGATE_SPOT"})
CLIENT_TOKEN = re.compile(r"^[\x21-\x7e]{1,64}\Z")
STARTED_BY = re.compile(r"^[\w/.:@ -]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Share:
    """A capacity provider's share of a strategy: the first `base` tasks, then `weight` relative to the others'."""

    provider: str
    base: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """A checked RunTask request: everything about its tasks except their identifiers."""

    region: str
    cluster: dict[str, Any]
    definition: dict[str, Any]
    request: dict[str, Any]
    capacity: str
    capacity_provider: str | None
    strategy: tuple[Share, ...]
    platform_version: str
    cpu: int
    memory: int
    subnets: list[Subnet]
    groups: list[str]
    tags: list[dict[str, str]]

    @property
    def family(self) -> str:
        """The definition's family."""
        family: str = self.definition["family"]
        return family

    @property
    def cluster_name(self) -> str:
        """The cluster's name."""
        name: str = self.cluster["clusterName"]
        return name

    @property
    def public(self) -> bool:
        """Whether its tasks get an address of the internet's."""
        network = self.request["networkConfiguration"]["awsvpcConfiguration"]
        return bool(network.get("assignPublicIp") == "ENABLED")

    def on(self, provider: str) -> "Launch":
        """Return the same launch on one provider of its strategy."""
        return replace(self, capacity=provider, capacity_provider=provider)


def check_run_task(catalog: Catalog, region: str, request: dict[str, Any], *, inactive: bool = False) -> Launch:
    """Return the launch that a RunTask request asks for; of an `inactive` definition only where a service has it still.

    Raises:
        EcsError: ECS would reject it; the message is ECS's.
    """
    check_limits(request)
    for name in ("cluster", "taskDefinition"):
        check_identifier(region, request.get(name))
    cluster = catalog.cluster(region, request.get("cluster"))
    definition = catalog.task_definition(region, request.get("taskDefinition", ""), inactive=inactive)
    strategy = choose_capacity(request, cluster, definition)
    check_placement(request)
    overrides = request.get("overrides", {})
    check_overrides(overrides, definition)
    check_exec(request, overrides, definition)
    check_roles(catalog, overrides, definition)
    cpu, memory = task_size(overrides, definition)
    check_override_sizes(overrides, cpu, memory)
    subnets, groups = check_network(catalog, region, request, definition)
    return Launch(
        region=region,
        cluster=cluster,
        definition=definition,
        request=request,
        capacity=strategy[0].provider if strategy else "FARGATE",
        capacity_provider=strategy[0].provider if strategy else None,
        strategy=strategy,
        platform_version=platform_version(request),
        cpu=cpu,
        memory=memory,
        subnets=subnets,
        groups=groups,
        tags=tags_of(request, definition),
    )


def check_limits(request: dict[str, Any]) -> None:
    """Check the limits that depend on nothing but the request.

    Raises:
        ClientError: It names no task definition.
        InvalidParameterError: It exceeds a limit.
    """
    if not request.get("taskDefinition"):
        message = "TaskDefinition can not be blank."
        raise ClientError(message)
    count = request.get("count", 1)
    if count < 1:
        message = "Invalid count value: count must be between 1 and 10."
        raise InvalidParameterError(message)
    if count > COUNT_LIMIT:
        message = "Tasks count cannot be more than 10."
        raise InvalidParameterError(message)
    token = request.get("clientToken")
    if token is not None and not CLIENT_TOKEN.match(token):
        message = "clientToken length must be between 1 and 64 and use characters in the range of 33-126."
        raise InvalidParameterError(message)
    started_by = request.get("startedBy", "")
    if len(started_by) > 128 or not STARTED_BY.match(started_by):
        message = "startedBy length must be at most 128 and use letters, numbers, spaces and -_/.:@ only."
        raise InvalidParameterError(message)
    overrides = request.get("overrides", {})
    if len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False)) > OVERRIDES_LIMIT:
        message = f"Container Overrides length must be at most {OVERRIDES_LIMIT}"
        raise InvalidParameterError(message)
    if request.get("propagateTags") == "SERVICE":
        message = "Invalid value for propagateTags: SERVICE is not supported for RunTask."
        raise InvalidParameterError(message)
    check_tags(request.get("tags", []))


def choose_capacity(request: dict[str, Any], cluster: dict[str, Any], definition: dict[str, Any]) -> tuple[Share, ...]:
    """Return the strategy of the request or of the cluster; empty for a launch type.

    Raises:
        InvalidParameterError: There is both, or neither.
    """
    strategy = request.get("capacityProviderStrategy")
    launch_type = request.get("launchType")
    if strategy and launch_type:
        message = (
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
        raise InvalidParameterError(message)
    if not strategy and not launch_type:
        strategy = cluster.get("defaultCapacityProviderStrategy") or []
    if strategy:
        shares = tuple(
            Share(item.get("capacityProvider", ""), item.get("base", 0), item.get("weight", 0)) for item in strategy
        )
        check_strategy(shares, cluster)
        check_compatibility("FARGATE", definition)
        return shares
    launch_type = launch_type or "EC2"
    if launch_type != "FARGATE":
        # Without a launch type ECS takes EC2, and a cluster of Fargate has no container instances.
        message = "No Container Instances were found in your cluster."
        raise InvalidParameterError(message)
    check_compatibility(launch_type, definition)
    return ()


def check_strategy(strategy: tuple[Share, ...], cluster: dict[str, Any]) -> None:
    """Check that a strategy names Fargate's providers, associated with the cluster, with valid weights.

    Raises:
        InvalidParameterError: It does not.
    """
    if len(strategy) > 20:
        message = "A capacity provider strategy can contain a maximum of 20 capacity providers."
        raise InvalidParameterError(message)
    for share in strategy:
        if share.provider not in PROVIDERS:
            message = (
                f"The specified capacity provider '{share.provider}' was not found. Specify a valid name or ARN and"
                " try again."
            )
            raise InvalidParameterError(message)
        if share.provider not in (cluster.get("capacityProviders") or ()):
            message = (
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated"
                " with the cluster. Associate the capacity provider with the cluster or specify a valid capacity"
                " provider and try again."
            )
            raise InvalidParameterError(message)
        if not 0 <= share.weight <= 1000 or not 0 <= share.base <= 100_000:
            message = "The weight of a capacity provider must be between 0 and 1000, its base between 0 and 100000."
            raise InvalidParameterError(message)
    if sum(1 for share in strategy if share.base > 0) > 1:
        message = (
            "There are multiple capacity providers in the specified capacity provider strategy with a base value"
            " defined."
        )
        raise InvalidParameterError(message)
    # The only provider of a strategy is used whatever its weight.
    if len(strategy) > 1 and not any(share.weight for share in strategy):
        message = (
            "There are no capacity providers in the capacity provider strategy with a weight value greater than zero."
        )
        raise InvalidParameterError(message)


def check_compatibility(launch_type: str, definition: dict[str, Any]) -> None:
    """Check that the definition supports the launch type.

    Raises:
        InvalidParameterError: It does not.
    """
    if launch_type not in definition.get("compatibilities", []):
        message = f"Task definition does not support launch_type {launch_type}."
        raise InvalidParameterError(message)


def check_overrides(overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    """Check that each override names a container of the definition, and none twice.

    Raises:
        InvalidParameterError: One does not.
    """
    names = [container["name"] for container in definition["containerDefinitions"]]
    seen: set[str] = set()
    for override in overrides.get("containerOverrides", []):
        if not override:
            continue
        name = override.get("name")
        if not name:
            message = "Container override must specify a container name."
            raise InvalidParameterError(message)
        if name not in names:
            message = f"Override for container named {name} is not a container in the TaskDefinition."
            raise InvalidParameterError(message)
        if name in seen:
            message = f"Container named {name} can only have one override."
            raise InvalidParameterError(message)
        seen.add(name)


def check_placement(request: dict[str, Any]) -> None:
    """Check that the request places no constraints: Fargate has no instances to choose from.

    Raises:
        InvalidParameterError: It does.
    """
    for name, word in (("placementConstraints", "constraints"), ("placementStrategy", "strategies")):
        if request.get(name):
            message = f"Placement {word} are not supported with FARGATE launch type."
            raise InvalidParameterError(message)


def check_exec(request: dict[str, Any], overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    """Check that a task with ExecuteCommand enabled has a task role, with which it talks to SSM.

    Raises:
        InvalidParameterError: It has none.
    """
    role = overrides.get("taskRoleArn") or definition.get("taskRoleArn")
    if request.get("enableExecuteCommand") and not role:
        message = (
            "The execute command failed because a valid task role is not being used. Specify a valid task role in your"
            " task definition or as a task override and try again."
        )
        raise InvalidParameterError(message)


def check_override_sizes(overrides: dict[str, Any], cpu: int, memory: int) -> None:
    """Check that what an override gives a container fits in the task; `memory` in MiB.

    Raises:
        InvalidParameterError: It does not.
    """
    for override in overrides.get("containerOverrides", []):
        for key, limit in (("cpu", cpu), ("memory", memory), ("memoryReservation", memory)):
            if override.get(key, 0) > limit:
                message = f"The '{key}' setting for container '{override['name']}' is greater than for the task."
                raise InvalidParameterError(message)


def check_roles(catalog: Catalog, overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    """Check that the roles exist in IAM.

    Raises:
        ClientError: One does not.
    """
    for key in ("taskRoleArn", "executionRoleArn"):
        role = overrides.get(key) or definition.get(key)
        if role and not catalog.has_role(role):
            raise ClientError(reasons.cannot_assume(role))


def task_size(overrides: dict[str, Any], definition: dict[str, Any]) -> tuple[int, int]:
    """Return the task's (CPU units, MiB).

    Raises:
        ClientError: Fargate has no such size.
    """
    cpu_text = str(overrides.get("cpu") or definition.get("cpu") or "")
    memory_text = str(overrides.get("memory") or definition.get("memory") or "")
    cpu, memory = sizes.cpu_units(cpu_text), sizes.memory_mib(memory_text)
    if cpu is None or memory is None:
        message = f"Invalid 'cpu' or 'memory' setting for task. cpu: '{cpu_text}', memory: '{memory_text}'"
        raise ClientError(message)
    if not sizes.is_fargate_size(cpu, memory):
        raise ClientError(sizes.no_such_size(cpu, memory))
    return cpu, memory


def check_network(
    catalog: Catalog, region: str, request: dict[str, Any], definition: dict[str, Any]
) -> tuple[list[Subnet], list[str]]:
    """Return the request's subnets and its security groups, which must exist in one VPC.

    Raises:
        ClientError: The definition's network mode is not awsvpc.
        InvalidParameterError: One does not exist, or the lists are not valid.
    """
    if definition.get("networkMode") != "awsvpc":
        message = "Fargate only supports network mode ‘awsvpc’."
        raise ClientError(message)
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if not network:
        message = "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        raise InvalidParameterError(message)
    identifiers = network.get("subnets", [])
    if not identifiers:
        message = "subnets can not be empty."
        raise InvalidParameterError(message)
    if len(identifiers) > 16:
        message = "subnets can have at most 16 items."
        raise InvalidParameterError(message)
    if len(network.get("securityGroups", [])) > 5:
        message = "securityGroups can have at most 5 items."
        raise InvalidParameterError(message)
    if network.get("assignPublicIp", "DISABLED") not in ("ENABLED", "DISABLED"):
        message = "assignPublicIp should be one of [ENABLED,DISABLED]"
        raise InvalidParameterError(message)
    subnets = catalog.subnets(region, identifiers)
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        message = "All subnets must belong to the same VPC."
        raise InvalidParameterError(message)
    groups = network.get("securityGroups", [])
    catalog.check_security_groups(region, groups, subnets[0].vpc_id)
    return subnets, groups or [catalog.default_security_group(region, subnets[0].vpc_id)]


def platform_version(request: dict[str, Any]) -> str:
    """Return the platform version to run on.

    Raises:
        PlatformUnknownError: There is no such version.
    """
    wanted = request.get("platformVersion", "LATEST")
    if wanted not in PLATFORM_VERSIONS:
        message = f"The specified platform version does not exist: {wanted}"
        raise PlatformUnknownError(message)
    return PLATFORM_VERSIONS[wanted]


class PlatformUnknownError(ClientError):
    """The platform version does not exist."""

    code = "PlatformUnknownException"


def tags_of(request: dict[str, Any], definition: dict[str, Any]) -> list[dict[str, str]]:
    """Return the task's tags: the request's, and the definition's where they are propagated."""
    tags = {}
    if request.get("enableECSManagedTags"):
        tags["aws:ecs:clusterName"] = last_part(request.get("cluster", "default"))
        kind, _, service = request.get("group", "").partition(":")
        if kind == "service":
            tags["aws:ecs:serviceName"] = service
    if request.get("propagateTags") == "TASK_DEFINITION":
        tags |= {tag["key"]: tag.get("value", "") for tag in definition.get("tags", [])}
    tags |= {tag["key"]: tag.get("value", "") for tag in request.get("tags", [])}
    return [{"key": key, "value": value} for key, value in tags.items()]
