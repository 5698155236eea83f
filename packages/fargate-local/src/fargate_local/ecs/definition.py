"""Task definitions rejected as ECS rejects them, before moto accepts them.

The rules for every definition are here, those that Fargate adds in `fargate_rules`. Each rule's message is one that ECS
was seen to return; `tests/fargate_local/test_refused_definitions.py` names the source of each.
"""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from fargate_local.ecs.fargate_rules import check_fargate
from fargate_local.ecs.ignored import ignored_fields
from fargate_local.ecs.sizes import cpu_units, memory_mib
from fargate_local.ecs.tags import check_tags
from fargate_local.protocol.errors import ClientError

log = logging.getLogger(__name__)

Request = dict[str, Any]
Containers = list[dict[str, Any]]

NAME = re.compile(r"^[A-Za-z0-9_-]{1,255}\Z")
IMAGE = re.compile(r"^[A-Za-z0-9_./:@#-]{1,255}\Z")
ROLE = re.compile(r"^(arn:aws[a-z-]*:iam::\d{12}:role/)?[\w+=,.@/-]{1,512}\Z", re.ASCII)
S3_OBJECT = re.compile(r"^arn:aws[a-z-]*:s3:::[^/]+/.+")
CONDITIONS = frozenset({"START", "COMPLETE", "SUCCESS", "HEALTHY"})
COMPATIBILITIES = frozenset({"EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"})
NETWORK_MODES = frozenset({"bridge", "host", "awsvpc", "none"})
CONTAINER_LIMIT = 10
ENVIRONMENT_FILES_LIMIT = 10
MEMORY_FLOOR = 6
# API reference, HealthCheck and ContainerRestartPolicy.
HEALTH_RANGES = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
RESTART_PERIOD = (60, 1800)
TIMEOUT_FLOOR = 2


def check_definition(request: Request) -> None:
    """Check a definition as ECS does when it registers one.

    Fields that are accepted but have no effect here are logged as a warning.

    Raises:
        ClientError: ECS would reject it.
    """
    containers: Containers = request.get("containerDefinitions", [])
    check_header(request)
    check_containers(containers)
    check_volumes(request.get("volumes", []), containers)
    check_dependencies(containers)
    for container in containers:
        for check in CONTAINER_CHECKS:
            check(container)
    check_execution_role(request, containers)
    if "FARGATE" in request.get("requiresCompatibilities", []):
        check_fargate(request, containers)
    elif "ephemeralStorage" in request:
        message = "Tasks using the EC2 launch type do not support EphemeralStorage."
        raise ClientError(message)
    if fields := ignored_fields(request):
        log.warning("task definition %s: ignored: %s", request["family"], ", ".join(fields))


def check_header(request: Request) -> None:
    """Check family, launch types, network mode, roles, size and tags.

    Raises:
        ClientError: One of them is not valid.
    """
    family = request.get("family", "")
    if not NAME.match(family):
        message = "Family contains invalid characters." if family else "Family should not be null or empty."
        raise ClientError(message)
    for compatibility in request.get("requiresCompatibilities", []):
        if compatibility not in COMPATIBILITIES:
            message = f"requiresCompatibilities should be one of [{','.join(sorted(COMPATIBILITIES))}]"
            raise ClientError(message)
    if request.get("networkMode", "bridge") not in NETWORK_MODES:
        message = f"networkMode should be one of [{','.join(sorted(NETWORK_MODES))}]"
        raise ClientError(message)
    for key in ("taskRoleArn", "executionRoleArn"):
        role = request.get(key)
        if role is not None and not ROLE.match(role):
            message = "Role is not valid"
            raise ClientError(message)
    check_size_texts(request)
    check_tags(request.get("tags", []))


def check_size_texts(request: Request) -> None:
    """Check that the task's CPU and memory are numbers, in CPU units, MiB, vCPU or GB.

    Raises:
        ClientError: One is not.
    """
    for key, read in (("cpu", cpu_units), ("memory", memory_mib)):
        text = request.get(key)
        if text and read(text) is None:
            message = (
                f"Invalid '{key}' setting for task. For more information, see the Troubleshooting section of the Amazon"
                " ECS Developer Guide."
            )
            raise ClientError(message)


def check_containers(containers: Containers) -> None:
    """Check that there are one to ten containers with an image and a unique name each, at least one of them essential.

    Raises:
        ClientError: There are not.
    """
    if not containers:
        message = "Container list cannot be empty."
        raise ClientError(message)
    if len(containers) > CONTAINER_LIMIT:
        message = "Too many containers."
        raise ClientError(message)
    names: set[str] = set()
    for container in containers:
        for key, pattern in (("name", NAME), ("image", IMAGE)):
            value = container.get(key, "")
            if not value:
                message = f"Container.{key} should not be null or empty."
                raise ClientError(message)
            if not pattern.match(value):
                message = f"Container.{key} contains invalid characters."
                raise ClientError(message)
        if container["name"] in names:
            message = "Container names must be unique within a task definition."
            raise ClientError(message)
        names.add(container["name"])
    if not any(container.get("essential", True) for container in containers):
        message = "Task definition doesn't have any essential container."
        raise ClientError(message)


def check_volumes(volumes: list[dict[str, Any]], containers: Containers) -> None:
    """Check that containers mount volumes of the definition, at unique paths, and borrow from containers that exist.

    Raises:
        ClientError: One does not.
    """
    declared: set[str] = set()
    for volume in volumes:
        name = volume.get("name", "")
        if not NAME.match(name):
            message = "Volume.name contains invalid characters." if name else "Volume.name should not be null or empty."
            raise ClientError(message)
        if name in declared:
            message = f"Duplicate volume name '{name}'."
            raise ClientError(message)
        declared.add(name)
    names = {container["name"] for container in containers}
    for container in containers:
        for mount in container.get("mountPoints", []):
            if mount.get("sourceVolume") not in declared:
                message = f"Unknown volume '{mount.get('sourceVolume', 'null')}'."
                raise ClientError(message)
            if not mount.get("containerPath"):
                message = "Container path should not be null or empty."
                raise ClientError(message)
        for source in container.get("volumesFrom", []):
            if source.get("sourceContainer") not in names - {container["name"]}:
                message = f"Invalid 'volumesFrom' setting. Unknown container: '{source.get('sourceContainer', 'null')}'"
                raise ClientError(message)


def check_dependencies(containers: Containers) -> None:
    """Check that each dependency names another container that can meet it, and that there is no cycle.

    Raises:
        ClientError: One does not, or there is a cycle.
    """
    by_name = {container["name"]: container for container in containers}
    needs: dict[str, set[str]] = {}
    for container in containers:
        needs[container["name"]] = set()
        for dependency in container.get("dependsOn", []):
            name = dependency.get("containerName", "")
            if name not in by_name:
                message = f"Cannot depend on container {name} because it does not exist."
                raise ClientError(message)
            check_condition(by_name[name], dependency.get("condition", ""))
            needs[container["name"]].add(name)
    while ready := [name for name, wanted in needs.items() if not wanted]:
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted.difference_update(ready)
    if needs:
        message = "Container dependencies must not be circular."
        raise ClientError(message)


def check_condition(dependency: dict[str, Any], condition: str) -> None:
    """Check that a container can reach the state that another waits for.

    Raises:
        ClientError: It never can.
    """
    if condition not in CONDITIONS:
        message = f"Invalid container dependency condition: {condition}"
        raise ClientError(message)
    if condition in ("SUCCESS", "COMPLETE") and dependency.get("essential", True):
        message = "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."
        raise ClientError(message)
    if condition == "HEALTHY" and "healthCheck" not in dependency:
        message = "A dependency container with HEALTHY condition must have health check configured."
        raise ClientError(message)


def check_memory(container: dict[str, Any]) -> None:
    """Check that a container's hard limit is above its soft limit and above Docker's minimum.

    Raises:
        ClientError: It is not.
    """
    name = container["name"]
    memory, reservation = container.get("memory"), container.get("memoryReservation")
    if memory is not None and memory < MEMORY_FLOOR:
        message = f"Invalid setting for container '{name}'. 'memory' must be at least {MEMORY_FLOOR}."
        raise ClientError(message)
    if memory is not None and reservation is not None and memory < reservation:
        message = (
            f"Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'."
        )
        raise ClientError(message)
    if container.get("cpu", 0) < 0:
        message = f"Invalid setting for container '{name}'. 'cpu' must not be negative."
        raise ClientError(message)


def check_timeouts(container: dict[str, Any]) -> None:
    """Check that start and stop timeouts are at least two seconds.

    Raises:
        ClientError: One is shorter.
    """
    for key, word in (("startTimeout", "start"), ("stopTimeout", "stop")):
        if container.get(key, TIMEOUT_FLOOR) < TIMEOUT_FLOOR:
            message = f"Granular {word} timeout on container '{container['name']}' must be at least 2 seconds."
            raise ClientError(message)


def check_health(container: dict[str, Any]) -> None:
    """Check that a health check has a command and its numbers are within the API's ranges.

    Raises:
        ClientError: It has none, or one is out of range.
    """
    health = container.get("healthCheck")
    if health is None:
        return
    if not health.get("command") or health["command"] in (["CMD"], ["CMD-SHELL"]):
        message = f"Container '{container['name']}': healthCheck.command should not be null or empty."
        raise ClientError(message)
    for key, (low, high) in HEALTH_RANGES.items():
        if not low <= health.get(key, low) <= high:
            message = f"Container '{container['name']}': healthCheck.{key} must be between {low} and {high}."
            raise ClientError(message)


def check_restart(container: dict[str, Any]) -> None:
    """Check a restart policy.

    Raises:
        ClientError: Its `restartAttemptPeriod` is out of range.
    """
    policy = container.get("restartPolicy")
    if policy is None:
        return
    low, high = RESTART_PERIOD
    if not low <= policy.get("restartAttemptPeriod", low) <= high:
        message = (
            f"the 'restartAttemptPeriod' setting for container '{container['name']}' must be between {low} and {high}."
        )
        raise ClientError(message)


def check_environment_files(container: dict[str, Any]) -> None:
    """Check that there are at most ten environment files, each an S3 object.

    Raises:
        ClientError: There are more, or one is not.
    """
    files = container.get("environmentFiles", [])
    if len(files) > ENVIRONMENT_FILES_LIMIT:
        message = "The maximum number of environment files was exceeded. Specify ten or less and try again."
        raise ClientError(message)
    for file in files:
        if file.get("type") != "s3":
            message = "Environment file type should be one of [s3]."
            raise ClientError(message)
        if not S3_OBJECT.match(file.get("value", "")):
            message = "Invalid arn syntax."
            raise ClientError(message)
        if not file["value"].endswith(".env"):
            message = f"Environment file {file['value']} must have a .env file extension."
            raise ClientError(message)


def check_ports(container: dict[str, Any]) -> None:
    """Check that ports are in range and their protocols exist.

    Raises:
        ClientError: One is not valid.
    """
    for port in container.get("portMappings", []):
        if port.get("protocol", "tcp") not in ("tcp", "udp"):
            message = "Port mapping protocol should be one of [tcp,udp]."
            raise ClientError(message)
        if "containerPortRange" in port and {"containerPort", "hostPort"} & port.keys():
            message = "cannot specify both single port and port range."
            raise ClientError(message)
        for key in ("containerPort", "hostPort"):
            if not 0 <= port.get(key, 0) <= 65535:
                message = f"Invalid {key} {port[key]}: a port must be between 0 and 65535."
                raise ClientError(message)


def check_log_options(container: dict[str, Any]) -> None:
    """Check that the awslogs driver has the options it needs, and no unknown ones.

    Raises:
        ClientError: It lacks one, or has an unknown one.
    """
    configuration = container.get("logConfiguration", {})
    if configuration.get("logDriver") != "awslogs":
        return
    options = configuration.get("options", {})
    if missing := [key for key in ("awslogs-group", "awslogs-region") if not options.get(key)]:
        message = f"Log driver awslogs requires options: {', '.join(missing)}"
        raise ClientError(message)
    if unknown := sorted(key for key in options if not key.startswith("awslogs-") and key not in LOG_BUFFER_OPTIONS):
        message = f"Log driver awslogs disallows options: {', '.join(unknown)}"
        raise ClientError(message)


LOG_BUFFER_OPTIONS = frozenset({"mode", "max-buffer-size"})
CONTAINER_CHECKS: tuple[Callable[[dict[str, Any]], None], ...] = (
    check_memory,
    check_timeouts,
    check_health,
    check_restart,
    check_environment_files,
    check_ports,
    check_log_options,
)


def check_execution_role(request: Request, containers: Iterable[dict[str, Any]]) -> None:
    """Check that a task whose secrets, files or private images have to be fetched has a role for it.

    Raises:
        ClientError: It has none.
    """
    if request.get("executionRoleArn"):
        return
    for container in containers:
        if container.get("secrets") or container.get("logConfiguration", {}).get("secretOptions"):
            message = "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            raise ClientError(message)
        if container.get("repositoryCredentials"):
            message = (
                "Private repository authentication requires that the task definition specify a value for"
                " executionRoleArn."
            )
            raise ClientError(message)
        if container.get("environmentFiles"):
            message = "When you are specifying environment files, you must also specify a value for 'executionRoleArn'."
            raise ClientError(message)
