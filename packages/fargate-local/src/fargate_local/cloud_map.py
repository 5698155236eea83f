"""Cloud Map for services: their tasks as instances, and the names that private namespaces give them.

ECS developer guide, "Use service discovery to connect Amazon ECS services with DNS names"; Cloud Map developer guide,
"DNS records and health checks" (read November 2026).
"""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.used_backends import used_backend
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.lookup import Answer

MULTIVALUE_LIMIT: Final = 8
"""Cloud Map API reference, DnsConfig: "up to eight healthy instances"."""
TTL: Final = 60


@dataclass(frozen=True, slots=True)
class Registered:
    """A task's instance in one service of Cloud Map."""

    region: str
    service: str
    instance: str


class CloudMap:
    """Registers tasks in moto's memory, for no task outlives its server; may be used from any thread."""

    def __init__(self, gate: MotoGate) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._of_tasks: dict[str, list[Registered]] = {}

    def registered(self, task: str) -> bool:
        """Return whether a task has been registered, and not deregistered."""
        return task in self._of_tasks

    def register(self, task: str, region: str, services: Sequence[tuple[str, dict[str, str]]]) -> None:
        """Register a task, once, as an instance with the attributes that are given for each service's ARN."""
        with self._lock:
            if task in self._of_tasks:
                return
            made = self._of_tasks[task] = []
        with self._gate.alone():
            memory = backend(region)
            for arn, attributes in services:
                if memory is not None and last_part(arn) in memory.services:
                    memory.register_instance(last_part(arn), last_part(task), "", attributes)
                    made.append(Registered(region, last_part(arn), last_part(task)))

    def tell_health(self, task: str, *, well: bool) -> None:
        """Tell whether a task is well, to services that have a health check of their own."""
        status = "HEALTHY" if well else "UNHEALTHY"
        for each in self._of_tasks.get(task, []):
            instance = instance_of(each)
            if instance is not None and instance.health_status != status:
                with self._gate.alone():
                    instance.health_status = status

    def leave(self, task: str) -> None:
        """Deregister a task."""
        with self._lock:
            registered = self._of_tasks.pop(task, [])
        if registered:
            with self._gate.alone():
                for each in registered:
                    if instance_of(each) is not None:
                        backend(each.region).deregister_instance(each.service, each.instance)

    def answer(self, task: TaskPlan, name: str, kind: str) -> Answer | None:
        """Return the records of a name as a task sees them; None for names outside the namespaces of its VPC."""
        memory = backend(task.region)
        namespaces = list(memory.namespaces.values()) if memory is not None else []
        for namespace in namespaces:
            below = name.removesuffix(f".{namespace.name.lower()}")
            if namespace.vpc == task.vpc and below != name:
                return within(memory, namespace.id, name, below, kind)
            if namespace.vpc == task.vpc and name == namespace.name.lower():
                return Answer(exists=True)
        return None


def backend(region: str) -> Any:
    """Return moto's Cloud Map of a region, or None where nobody has used it."""
    return used_backend("servicediscovery", region)


def instance_of(registered: Registered) -> Any:
    """Return moto's instance, or None when it or its service is gone."""
    memory = backend(registered.region)
    service = memory.services.get(registered.service) if memory is not None else None
    instances = service.instances if service is not None else []
    return next((each for each in list(instances) if each.instance_id == registered.instance), None)


def within(memory: Any, namespace: str, name: str, below: str, kind: str) -> Answer:
    """Return the records of a name of a namespace: a service's, or an instance's below it."""
    instance, _, service_name = below.rpartition(".")
    services = [
        each
        for each in list(memory.services.values())
        if each.namespace_id == namespace and each.name.lower() in (below, service_name) and each.dns_config
    ]
    for service in services:
        if service.name.lower() == below:
            return of_service(service, name, kind)
        found = [each for each in list(service.instances) if each.instance_id.lower() == instance]
        if found:
            return Answer(exists=True, records=tuple(addresses(found) if kind == "A" else ()))
    return Answer(exists=False)


def of_service(service: Any, name: str, kind: str) -> Answer:
    """Return the records of a service: of its healthy instances, or of all when none is."""
    configured = {each["Type"]: int(each.get("TTL", TTL)) for each in service.dns_config.get("DnsRecords") or []}
    everyone = list(service.instances)
    well = [each for each in everyone if each.health_status == "HEALTHY"] or everyone
    if kind not in configured or not well:
        return Answer(exists=bool(everyone))
    one = service.dns_config.get("RoutingPolicy") == "WEIGHTED"
    chosen = random.sample(well, min(len(well), 1 if one else MULTIVALUE_LIMIT))
    values = addresses(chosen) if kind == "A" else [(0, target(each, name)) for each in chosen] if kind == "SRV" else []
    return Answer(exists=True, records=tuple((configured[kind], value) for _, value in values))


def addresses(instances: Sequence[Any]) -> list[tuple[int, str]]:
    """Return the addresses of instances, with the usual time to live."""
    found = [each.attributes.get("AWS_INSTANCE_IPV4") for each in instances]
    return [(TTL, address) for address in found if address]


def target(instance: Any, name: str) -> str:
    """Return the SRV record of an instance."""
    return f"1 1 {instance.attributes.get('AWS_INSTANCE_PORT', '0')} {instance.instance_id}.{name}."
