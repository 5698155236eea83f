"""The targets of services: their tasks, in the target groups that they name."""

from dataclasses import dataclass
from typing import Any

from fargate_local.balancing.balancers import Balancers, Registered
from fargate_local.balancing.health import Health
from fargate_local.balancing.snapshot import Target
from fargate_local.balancing.task_ports import TaskPorts


@dataclass(frozen=True, slots=True)
class Sick:
    """A task's target that fails its health checks."""

    group: str
    port: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceTargets:
    """What the service scheduler does with load balancers."""

    balancers: Balancers
    ports: TaskPorts

    def join(self, service: dict[str, Any], task: dict[str, Any]) -> list[str]:
        """Register a running task where its service says, once; return the target groups that took it."""
        if self.balancers.registered(task["taskArn"]):
            return []
        address = self.ports.address(task)
        targets = [
            Registered(
                each["targetGroupArn"],
                Target(address, self.ports.port(task["taskArn"], each["containerName"], each["containerPort"])),
            )
            for each in service["loadBalancers"]
            if each.get("targetGroupArn")
        ]
        return self.balancers.register(task["taskArn"], targets) if targets else []

    def ready(self, service: dict[str, Any], task: str) -> bool:
        """Return whether every target of a task is healthy; without load balancers, it is."""
        if not service["loadBalancers"]:
            return True
        found = self.balancers.health(task)
        return bool(found) and all(health is not None and health.state == "healthy" for _, health in found)

    def sick(self, task: str) -> list[Sick]:
        """Return the targets of a task that fail their health checks."""
        return [
            Sick(each.group, each.target.port, health.description or "")
            for each, health in self.balancers.health(task)
            if isinstance(health, Health) and health.state == "unhealthy"
        ]

    def groups(self, task: str) -> list[str]:
        """Return the target groups in which a task is registered."""
        return [each.group for each, _ in self.balancers.health(task)]
