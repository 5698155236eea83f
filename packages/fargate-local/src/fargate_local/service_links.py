"""What services are linked to: their tasks are targets of load balancers, and instances of Cloud Map."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fargate_local import private_zones
from fargate_local.balancing.balancers import Balancers, Listen, Registered
from fargate_local.balancing.health import Health
from fargate_local.balancing.snapshot import Target
from fargate_local.balancing.task_ports import TaskPorts
from fargate_local.cloud_map import CloudMap
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.lookup import Answer

log = logging.getLogger(__name__)

BALANCERS = ".elb.localhost"
TTL = 5


@dataclass(frozen=True, slots=True)
class Sick:
    """A task's target that fails its health checks."""

    group: str
    port: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceLinks:
    """What the service scheduler does with load balancers and service registries."""

    balancers: Balancers
    ports: TaskPorts
    names: CloudMap
    threads: ThreadPoolExecutor

    def answer(self, listen: Listen, task: TaskPlan, name: str, kind: str) -> Answer | None:
        """Return the records of a name as a task sees them: of a load balancer, Cloud Map or Route 53, in its VPC."""

        def elsewhere(target: str, wanted: str) -> Answer | None:
            if target.endswith(BALANCERS):
                return self._of_balancer(listen, task, target, wanted)
            return self.names.answer(task, target, wanted)

        return elsewhere(name, kind) or private_zones.answer(task.vpc, name, kind, elsewhere)

    def _of_balancer(self, listen: Listen, task: TaskPlan, name: str, kind: str) -> Answer:
        try:
            address = self.balancers.found_in(name, task.vpc, listen)
        except RuntimeError as error:
            log.warning("%s is not found in %s: %s", name, task.vpc, error)
            address = None
        records = ((TTL, address),) if address and kind == "A" else ()
        return Answer(exists=address is not None, records=records)

    def leave(self, task: str) -> "list[Future[None]]":
        """Deregister a task everywhere; it may be stopped when these are done."""
        return [self.balancers.drain(task), self.threads.submit(self.names.leave, task)]

    def tell_names(self, service: dict[str, Any], task: dict[str, Any]) -> None:
        """Register a running task in Cloud Map where its service says, once, and tell its health from then on."""
        registries = service["serviceRegistries"]
        if not registries:
            return
        if not self.names.registered(task["taskArn"]):
            region = task["taskArn"].split(":")[3]
            found = [(each["registryArn"], self._attributes(service, task, each)) for each in registries]
            self.names.register(task["taskArn"], region, found)
        self.names.tell_health(task["taskArn"], well=task["healthStatus"] != "UNHEALTHY")

    def _attributes(self, service: dict[str, Any], task: dict[str, Any], link: dict[str, Any]) -> dict[str, str]:
        """Return the attributes of an instance (developer guide, "Service discovery considerations")."""
        port = link.get("port") or link.get("containerPort")
        container = link.get("containerName") or task["containers"][0]["name"]
        found = {"AWS_INSTANCE_PORT": str(self.ports.port(task["taskArn"], container, port))} if port else {}
        return {
            "AWS_INSTANCE_IPV4": self.ports.address(task),
            **found,
            "AVAILABILITY_ZONE": task["availabilityZone"],
            "REGION": task["taskArn"].split(":")[3],
            "ECS_CLUSTER_NAME": last_part(task["clusterArn"]),
            "ECS_SERVICE_NAME": service["serviceName"],
            "ECS_TASK_DEFINITION_FAMILY": last_part(task["taskDefinitionArn"]).rpartition(":")[0],
        }

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
