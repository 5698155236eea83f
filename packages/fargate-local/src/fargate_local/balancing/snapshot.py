"""The listeners and target groups that moto's ELB holds, as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.balancing.rules import Rule
from fargate_local.cloud.used_backends import used_backends

HTTP: Final = frozenset({"HTTP", "HTTPS"})
IDLE_SECONDS: Final = 60.0
"""API reference, "LoadBalancerAttribute": the default of `idle_timeout.timeout_seconds`."""
DEREGISTRATION_SECONDS: Final = 300.0
STICKY_SECONDS: Final = 86_400.0
"""API reference, "TargetGroupAttribute": the default of `stickiness.lb_cookie.duration_seconds` and its like."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a target group sends requests: an address and a port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Check:
    """A target group's health check; times in seconds. `port` is 0 for the target's own."""

    protocol: str
    path: str
    port: int
    interval: float
    timeout: float
    healthy_after: int
    unhealthy_after: int
    matcher: str


@dataclass(frozen=True, slots=True)
class Stickiness:
    """What keeps a client with a target: a cookie of the load balancer's or the target's, or its address."""

    kind: str
    """`lb_cookie`, `app_cookie` or `source_ip`."""
    seconds: float
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A target group, and whether a listener sends anything to it; `slow_start` is in seconds."""

    arn: str
    vpc: str
    protocol: str
    targets: tuple[Target, ...]
    check: Check | None
    drain: float
    in_use: bool
    sticky: Stickiness | None = None
    algorithm: str = "round_robin"
    slow_start: float = 0.0


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener of a load balancer. `idle` is how many seconds it waits for an answer."""

    arn: str
    balancer: str
    dns_name: str
    vpc: str
    protocol: str
    port: int
    certificate: str
    rules: tuple[Rule, ...]
    idle: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All listeners and target groups of the account, by ARN."""

    listeners: dict[str, Listener]
    groups: dict[str, Group]


def taken() -> Snapshot:
    """Return what moto holds now; nothing where nobody has used ELB. The caller keeps moto unchanged meanwhile."""
    listeners: dict[str, Listener] = {}
    groups: dict[str, Group] = {}
    for memory in backends():
        for balancer in memory.load_balancers.values():
            listeners |= {each.arn: listener_of(balancer, each) for each in balancer.listeners.values()}
    used = {arn for listener in listeners.values() for rule in listener.rules for arn in sent_to(rule)}
    for memory in backends():
        groups |= {group.arn: group_of(group, in_use=group.arn in used) for group in memory.target_groups.values()}
    return Snapshot(listeners, groups)


def backends() -> Iterator[Any]:
    """Return moto's memory of each region where ELB was used."""
    yield from list(used_backends("elbv2").values())


def sent_to(rule: Rule) -> list[str]:
    """Return the target groups that a rule names."""
    return [arn for action in rule.actions for arn, _ in weighted(action)]


def weighted(action: Any) -> list[tuple[str, int]]:
    """Return the (target group, weight) of each group that an action forwards to."""
    if action.get("Type") != "forward":
        return []
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if groups:
        return [(group["TargetGroupArn"], int(group.get("Weight", 1))) for group in groups]
    return [(action["TargetGroupArn"], 1)] if action.get("TargetGroupArn") else []


def listener_of(balancer: Any, listener: Any) -> Listener:
    """Return moto's listener as data."""
    numbered = sorted(listener._non_default_rules.values(), key=lambda rule: int(rule.priority))
    rules = [Rule(tuple(rule.conditions), tuple(action.data for action in rule.actions)) for rule in numbered]
    rules.append(Rule((), tuple(action.data for action in listener.default_actions)))
    return Listener(
        arn=listener.arn,
        balancer=balancer.name,
        dns_name=balancer.dns_name,
        vpc=balancer.vpc_id or "",
        protocol=listener.protocol,
        port=int(listener.port or 0),
        certificate=listener.certificate or "",
        rules=tuple(rules),
        idle=float(balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_SECONDS)),
    )


def group_of(group: Any, *, in_use: bool) -> Group:
    """Return moto's target group as data; targets that are no addresses are left out."""
    targets = tuple(
        Target(target["Id"], int(target["Port"]))
        for target in group.targets.values()
        if not target["Id"].startswith(("i-", "arn:"))
    )
    enabled = str(group.health_check_enabled).lower() != "false" and group.target_type != "lambda"
    return Group(
        arn=group.arn,
        vpc=group.vpc_id or "",
        protocol=group.protocol or "",
        targets=targets,
        check=check_of(group) if enabled else None,
        drain=float(group.attributes.get("deregistration_delay.timeout_seconds", DEREGISTRATION_SECONDS)),
        in_use=in_use,
        sticky=stickiness_of(group.attributes),
        algorithm=str(group.attributes.get("load_balancing.algorithm.type", "round_robin")),
        slow_start=float(group.attributes.get("slow_start.duration_seconds") or 0),
    )


def stickiness_of(attributes: Mapping[str, Any]) -> Stickiness | None:
    """Return the stickiness that a target group's attributes ask for."""
    if str(attributes.get("stickiness.enabled", "")).lower() != "true":
        return None
    kind = str(attributes.get("stickiness.type", ""))
    seconds = float(attributes.get(f"stickiness.{kind}.duration_seconds", STICKY_SECONDS))
    return Stickiness(kind, seconds, str(attributes.get("stickiness.app_cookie.cookie_name", "")))


def check_of(group: Any) -> Check:
    """Return the health check of moto's target group."""
    port = str(group.health_check_port or "traffic-port")
    return Check(
        protocol=group.health_check_protocol or (group.protocol if group.protocol in HTTP else "TCP"),
        path=group.health_check_path or "/",
        port=int(port) if port.isdigit() else 0,
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy_after=int(group.healthy_threshold_count),
        unhealthy_after=int(group.unhealthy_threshold_count),
        matcher=(getattr(group, "matcher", None) or {}).get("HttpCode") or "200",
    )
