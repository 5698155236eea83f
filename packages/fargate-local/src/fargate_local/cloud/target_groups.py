"""moto's target groups with targets told apart by address and port, and with the health that was really found.

moto knows a target by its address alone and calls it healthy at once; all tasks of the `process` runtime share one
address. Load balancers get names below `localhost`, which lead to this machine.
"""

from collections.abc import Callable
from typing import Any, Final

from fargate_local.cloud.replaced import original

HealthOf = Callable[[str, str, int], tuple[str, str | None, str | None] | None]
"""Returns (state, reason, description) of a target of a group, or None for one that is not known."""
Listed = Callable[[str], list[tuple[str, int]]]
"""Returns the (address, port) of the targets of a group that drain."""


SERVICES: Final = frozenset({"elasticloadbalancing", "cloudformation"})
"""Those that may make a target group."""


class TargetHealth:
    """Who knows the health of targets; until somebody does, all of them are being registered."""

    health_of: HealthOf = staticmethod(lambda *_: None)
    draining: Listed = staticmethod(lambda _: [])

    def extend(self, service: str, client: Any) -> None:
        """Take moto's target groups over, if that is what is being loaded."""
        del client
        if service in SERVICES:
            keep_targets_apart(self)


def keep_targets_apart(known: TargetHealth) -> None:
    """Have moto's target groups keep each (address, port), and tell the health that `known` knows."""
    from moto.elbv2 import models

    def health_for(self: Any, target: dict[str, Any], _: Any) -> Any:
        identifier, port = identified(self, target)
        found = known.health_of(self.arn, identifier, port)
        if found is None:
            found = at_first(identifier) if f"{identifier}:{port}" in self.targets else NOT_REGISTERED
        return models.FakeHealthStatus(identifier, str(port), self.health_check_port, *found)

    def describe(self: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        (group,) = self.describe_target_groups(None, [target_group_arn], None)
        leaving = [{"Id": address, "Port": port} for address, port in known.draining(group.arn)]
        return [health_for(group, target, None) for target in targets or [*group.targets.values(), *leaving]]

    for owner, name, method in (
        (models.FakeTargetGroup, "register", register),
        (models.FakeTargetGroup, "deregister", deregister),
        (models.FakeTargetGroup, "deregister_terminated_instances", forget_instances),
        (models.FakeTargetGroup, "health_for", health_for),
        (models.ELBv2Backend, "describe_target_health", describe),
    ):
        setattr(owner, name, method)
    name_balancers(models.ELBv2Backend)
    refuse_what_is_not_made(models.ELBv2Backend)


def identified(group: Any, target: dict[str, Any]) -> tuple[str, int]:
    """Return what tells a target of a group from others."""
    return target["Id"], int(target.get("Port") or group.port or 0)


def register(group: Any, targets: list[dict[str, Any]]) -> None:
    """Take targets.

    Raises:
        TargetNotRunning: One is an instance that does not run.
    """
    from moto.elbv2.exceptions import TargetNotRunning

    for target in targets:
        identifier, port = identified(group, target)
        instance = group.ec2_backend.get_instance_by_id(identifier) if identifier.startswith("i-") else None
        if instance and instance.state != "running":
            raise TargetNotRunning(instance_id=identifier)
        group.targets[f"{identifier}:{port}"] = {"Id": identifier, "Port": port}


def deregister(group: Any, targets: list[dict[str, Any]]) -> None:
    """Give targets up; one that is not registered is no error (API reference, DeregisterTargets)."""
    for target in targets:
        for key, had in list(group.targets.items()):
            if had["Id"] == target["Id"] and int(target.get("Port") or had["Port"]) == had["Port"]:
                del group.targets[key]


def forget_instances(group: Any, identifiers: list[str]) -> None:
    """Give up instances that have been terminated."""
    deregister(group, [{"Id": identifier} for identifier in identifiers])


NOT_REGISTERED = ("unused", "Target.NotRegistered", "Target is not registered to the target group")


def at_first(identifier: str) -> tuple[str, str | None, str | None]:
    """Return the health of a target that nobody has looked at; of moto's instances nobody ever does."""
    if identifier.startswith(("i-", "arn:")):
        return ("healthy", None, None)
    return ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")


NOT_MADE: Final = {
    "load_balancing.algorithm.anomaly_mitigation": ("off",),
    "proxy_protocol_v2.enabled": ("false",),
    "routing.http.xff_header_processing.mode": ("append",),
    "stickiness.type": ("lb_cookie", "app_cookie", "source_ip"),
}
"""Attributes that change what targets and clients get, and the values with which they do as load balancers do here."""


def refuse_what_is_not_made(backend: Any) -> None:
    """Refuse target groups and attributes with which requests would be handed on otherwise than they ask for."""
    from moto.elbv2.exceptions import ValidationError

    create = original(backend, "create_target_group")

    def create_target_group(self: Any, name: str, **more: Any) -> Any:
        if (version := more.get("protocol_version")) not in (None, "HTTP1"):
            message = f"fargate-local does not forward {version} to targets: create the target group with HTTP1."
            raise ValidationError(message)
        return create(self, name, **more)

    backend.create_target_group = create_target_group
    for action in ("modify_target_group_attributes", "modify_load_balancer_attributes"):
        setattr(backend, action, checking(original(backend, action)))


def checking(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return a change of attributes that refuses those that are not made."""
    from moto.elbv2.exceptions import ValidationError

    def checked(self: Any, arn: str, attributes: Any) -> Any:
        given = attributes if isinstance(attributes, dict) else {each["Key"]: each["Value"] for each in attributes}
        for name, made in NOT_MADE.items():
            if name in given and str(given[name]).lower() not in made:
                message = f"fargate-local does not make {name} = {given[name]}: it takes {', '.join(made)}."
                raise ValidationError(message)
        return change(self, arn, attributes)

    return checked


def name_balancers(backend: Any) -> None:
    """Give load balancers names that lead to this machine."""
    create = original(backend, "create_load_balancer")

    def create_named(self: Any, *args: Any, **more: Any) -> Any:
        made = create(self, *args, **more)
        made.dns_name = f"{made.name}-{made.arn.rpartition('/')[2]}.elb.localhost".lower()
        return made

    backend.create_load_balancer = create_named
