"""Task definitions refused as ECS refuses them, before moto accepts them.

Messages: API reference RegisterTaskDefinition and developer guide "Task definition parameters for Fargate" (read
November 2026).
"""

import re
from typing import Any

from fargate_local.ecs.sizes import cpu_units, is_fargate_size, memory_mib, no_such_size
from fargate_local.protocol.errors import ClientError

FAMILY = re.compile(r"^[A-Za-z0-9_-]{1,255}$")
CONDITIONS = frozenset({"START", "COMPLETE", "SUCCESS", "HEALTHY"})
STOP_TIMEOUT_LIMIT = 120


def check_definition(request: dict[str, Any]) -> None:
    """Raise ClientError for a definition that ECS would not register."""
    family = request.get("family", "")
    if not FAMILY.match(family):
        message = "Family contains invalid characters." if family else "Family should not be null or empty."
        raise ClientError(message)
    containers = request.get("containerDefinitions", [])
    if not containers:
        message = "Container list cannot be empty."
        raise ClientError(message)
    check_names(containers)
    if not any(container.get("essential", True) for container in containers):
        message = "A task definition must have at least one essential container."
        raise ClientError(message)
    check_dependencies(containers)
    if "FARGATE" in request.get("requiresCompatibilities", []):
        check_fargate(request, containers)


def check_names(containers: list[dict[str, Any]]) -> None:
    """Each container has an image and a name of its own."""
    names: set[str] = set()
    for container in containers:
        name = container.get("name")
        if not name:
            message = "Container.name should not be null or empty."
            raise ClientError(message)
        if name in names:
            message = f"Container.name should be unique within a task definition: {name}"
            raise ClientError(message)
        if not container.get("image"):
            message = "Container.image should not be null or empty."
            raise ClientError(message)
        names.add(name)


def check_dependencies(containers: list[dict[str, Any]]) -> None:
    """Each dependency names another container, and none depends on itself in a circle."""
    needs: dict[str, set[str]] = {}
    for container in containers:
        needs[container["name"]] = set()
        for dependency in container.get("dependsOn", []):
            name, condition = dependency.get("containerName", ""), dependency.get("condition", "")
            if not any(other["name"] == name for other in containers):
                message = f"Container dependency must exist within the task definition. Container name: {name}"
                raise ClientError(message)
            if condition not in CONDITIONS:
                message = f"Invalid container dependency condition: {condition}"
                raise ClientError(message)
            needs[container["name"]].add(name)
    while ready := [name for name, wanted in needs.items() if not wanted]:
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted.difference_update(ready)
    if needs:
        message = "Container dependencies must not be circular."
        raise ClientError(message)


def check_fargate(request: dict[str, Any], containers: list[dict[str, Any]]) -> None:
    """What Fargate wants beyond ECS."""
    if request.get("networkMode") != "awsvpc":
        message = "Fargate only supports network mode ‘awsvpc’."
        raise ClientError(message)
    cpu_text, memory_text = request.get("cpu"), request.get("memory")
    if not cpu_text or not memory_text:
        message = (
            "Fargate requires that 'cpu' be defined at the task level."
            if not cpu_text
            else ("Fargate requires that 'memory' be defined at the task level.")
        )
        raise ClientError(message)
    cpu, memory = cpu_units(cpu_text), memory_mib(memory_text)
    if cpu is None:
        message = f"Invalid setting for cpu: {cpu_text}"
        raise ClientError(message)
    if memory is None:
        message = f"Invalid setting for memory: {memory_text}"
        raise ClientError(message)
    if not is_fargate_size(cpu, memory):
        raise ClientError(no_such_size(cpu, memory))
    for container in containers:
        check_fargate_container(container, memory)


def check_fargate_container(container: dict[str, Any], task_memory: int) -> None:
    """Limits and log options of one container; ``task_memory`` in MiB."""
    name = container["name"]
    if container.get("memory", 0) > task_memory:
        message = f"Invalid setting for container '{name}'. 'memory' must not exceed the task's memory."
        raise ClientError(message)
    if container.get("stopTimeout", 0) > STOP_TIMEOUT_LIMIT:
        message = f"Invalid stopTimeout for container '{name}': the maximum on Fargate is {STOP_TIMEOUT_LIMIT} seconds."
        raise ClientError(message)
    logs = container.get("logConfiguration", {})
    if logs.get("logDriver") == "awslogs":
        options = logs.get("options", {})
        for key in ("awslogs-group", "awslogs-region", "awslogs-stream-prefix"):
            if not options.get(key):
                message = f"Log driver awslogs requires options: {key}"
                raise ClientError(message)
