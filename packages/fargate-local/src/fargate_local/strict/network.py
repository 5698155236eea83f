"""The ways out of a task's subnet: endpoints, routes and security groups, as the VPC describes them.

Rules: VPC user guide, "Route tables" and "Security group rules"; PrivateLink guide, "Access an AWS service using an
interface VPC endpoint" and "Gateway endpoints"; ECS developer guide, "Fargate task networking" (read November 2026).
What a task does with its own sockets is not looked at: what Fargate itself does for it before it starts is.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.protocol.plan import TaskPlan
from fargate_local.strict import account

HTTPS: Final = 443
ANYWHERE: Final = "0.0.0.0/0"
ENDPOINT_NAMES: Final = {"ecr": "ecr.api"}
"""Services whose endpoint has another name than the one that calls are signed with."""
ADDRESS_OUTSIDE: Final = "52.46.128.1"
"""Stands in messages, and in the judgement of rules, for the public address of a service of AWS."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group; `block`, `group` or `prefix_list` says with whom."""

    protocol: str
    first: int = 0
    last: int = 65535
    block: str = ""
    group: str = ""
    prefix_list: str = ""

    def covers_https(self) -> bool:
        """Return whether the rule covers TCP to port 443."""
        return self.protocol == "-1" or (self.protocol == "tcp" and self.first <= HTTPS <= self.last)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint of one service. `blocks` are those of its subnets."""

    service: str
    gateway: bool
    route_tables: frozenset[str] = frozenset()
    private_dns: bool = True
    blocks: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    ingress: tuple[Rule, ...] = ()
    ident: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """The VPC endpoint that a call goes through, with its policy, and where in the VPC the call comes from."""

    endpoint: str
    vpc: str
    address: str
    policy: str

    @property
    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that only such calls have (IAM user guide, "Properties of the network")."""
        return {"aws:SourceVpce": (self.endpoint,), "aws:SourceVpc": (self.vpc,), "aws:VpcSourceIp": (self.address,)}


@dataclass(frozen=True, slots=True)
class Interface:
    """What a task sees. `way_out` is the default route's target: `igw`, `nat`, `other` or none."""

    region: str
    block: str
    route_table: str
    way_out: str
    public: bool
    groups: frozenset[str]
    egress: tuple[Rule, ...]
    endpoints: tuple[Endpoint, ...] = ()


def unreachable(task: Interface, service: str) -> str | None:
    """Return the address at which a service does not answer, None when it does; `internet` is any host outside AWS."""
    private, gateways = endpoints_of(task, service)
    if private:
        # The service's name leads to the endpoint, whatever other way there is.
        return None if any(admits(task, endpoint) for endpoint in private) else first_address(private)
    if gateways:
        open_to_it = any(rule.covers_https() and (rule.block == ANYWHERE or rule.prefix_list) for rule in task.egress)
        return None if open_to_it else ADDRESS_OUTSIDE
    leads_out = task.public if task.way_out == "igw" else bool(task.way_out)
    if leads_out and any(rule.covers_https() and holds(rule.block, ADDRESS_OUTSIDE) for rule in task.egress):
        return None
    return ADDRESS_OUTSIDE


def endpoints_of(task: Interface, service: str) -> tuple[list[Endpoint], list[Endpoint]]:
    """Return the endpoints that a service's name leads to, and those that the routes of the task's subnet lead to."""
    full = f"com.amazonaws.{task.region}.{service}"
    endpoints = [endpoint for endpoint in task.endpoints if endpoint.service == full]
    private = [endpoint for endpoint in endpoints if not endpoint.gateway and endpoint.private_dns]
    return private, [each for each in endpoints if each.gateway and task.route_table in each.route_tables]


def way_to(task: Interface, service: str) -> Endpoint | None:
    """Return the endpoint that calls to a service go through; None where they take another way, or none."""
    private, gateways = endpoints_of(task, service)
    return next((each for each in private if admits(task, each)), None) or next(iter([] if private else gateways), None)


def admits(task: Interface, endpoint: Endpoint) -> bool:
    """Return whether the task's groups let it out to an interface endpoint, and the endpoint's groups let it in."""
    out = any(
        rule.covers_https() and (rule.group in endpoint.groups or any(overlaps(rule.block, b) for b in endpoint.blocks))
        for rule in task.egress
    )
    into = any(
        rule.covers_https() and (rule.group in task.groups or overlaps(rule.block, task.block))
        for rule in endpoint.ingress
    )
    return out and into


def first_address(endpoints: list[Endpoint]) -> str:
    """Return an address that one of these endpoints could have, for messages."""
    block = next((block for endpoint in endpoints for block in endpoint.blocks), "10.0.0.0/24")
    return str(ipaddress.ip_network(block)[10])


def holds(block: str, address: str) -> bool:
    """Return whether an address is in a block; an empty block holds none."""
    return bool(block) and ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)


def overlaps(block: str, other: str) -> bool:
    """Return whether two blocks have addresses in common; an empty block has none."""
    if not block or not other:
        return False
    first, second = ipaddress.ip_network(block, strict=False), ipaddress.ip_network(other, strict=False)
    return first.version == second.version and first.overlaps(second)


class Network:
    """Looks at the VPC at the moment of a launch or of a call."""

    def way(self, plan: TaskPlan, service: str) -> Way | None:
        """Return the endpoint that a task's call to a service, by its endpoint's name, goes through, if it does."""
        memory = account.backend("ec2", plan.region)
        found = way_to(seen_by(memory, plan), service) if memory else None
        return Way(found.ident, plan.vpc, plan.address, found.policy) if found else None

    def unreachable(self, plan: TaskPlan, service: str) -> str | None:
        """Return the address at which a service does not answer a task of this plan; None when it does."""
        memory = account.backend("ec2", plan.region)
        return unreachable(seen_by(memory, plan), service) if memory else None


def seen_by(memory: Any, plan: TaskPlan) -> Interface:
    """Return what a task of this plan sees of its VPC, from moto's EC2."""
    subnets = {subnet.id: subnet for zone in list(memory.subnets.values()) for subnet in list(zone.values())}
    subnet = subnets[plan.subnet]
    table = route_table_of(memory, subnet)
    groups = {group.id: group for of_vpc in list(memory.groups.values()) for group in list(of_vpc.values())}
    return Interface(
        region=plan.region,
        block=subnet.cidr_block,
        route_table=table.id if table else "",
        way_out=default_route(memory, subnet, table),
        public=plan.public,
        groups=frozenset(plan.groups),
        egress=rules_of(rule for name in plan.groups if name in groups for rule in groups[name].egress_rules),
        endpoints=tuple(
            Endpoint(
                service=each.service_name,
                gateway=(each.vpc_endpoint_type or "Gateway").lower() == "gateway",
                route_tables=frozenset(each.route_table_ids or ()),
                private_dns=each.private_dns_enabled is not False,
                blocks=tuple(subnets[name].cidr_block for name in each.subnet_ids or () if name in subnets),
                groups=frozenset(each.security_group_ids),
                ingress=rules_of(
                    rule for name in each.security_group_ids if name in groups for rule in groups[name].ingress_rules
                ),
                ident=each.id,
                policy=account.as_text(each.policy_document),
            )
            for each in list(memory.vpc_end_points.values())
            if each.vpc_id == subnet.vpc_id and each.state == "available"
        ),
    )


def route_table_of(memory: Any, subnet: Any) -> Any:
    """Return the route table that a subnet is associated with, or else the main one of its VPC."""
    tables = [table for table in list(memory.route_tables.values()) if table.vpc_id == subnet.vpc_id]
    explicit = [table for table in tables if any(each.get("SubnetId") == subnet.id for each in table.associations)]
    main = [table for table in tables if table.main_association_id]
    return next(iter(explicit + main), None)


def default_route(memory: Any, subnet: Any, table: Any) -> str:
    """Return the `way_out` of a subnet; the default VPC has an internet gateway, which moto leaves out."""
    routes = [route for route in table.routes if route.destination_cidr_block == ANYWHERE] if table else []
    if not routes:
        return "igw" if memory.vpcs[subnet.vpc_id].is_default else ""
    route = routes[0]
    if route.nat_gateway is not None:
        return "nat" if route.nat_gateway.state == "available" else ""
    gateway = str(route.gateway_id or "")
    if gateway.startswith("igw-"):
        return "igw"
    return "other" if gateway or route.transit_gateway or route.instance or route.interface else ""


def rules_of(rules: Iterable[Any]) -> tuple[Rule, ...]:
    """Return rules of moto's security groups as `Rule`."""
    return tuple(
        Rule(
            protocol=str(rule.ip_protocol),
            first=0 if rule.from_port is None else rule.from_port,
            last=65535 if rule.to_port is None else rule.to_port,
            block=rule.ip_range.get("CidrIp", ""),
            group=rule.source_group.get("GroupId", ""),
            prefix_list=rule.prefix_list_id or "",
        )
        for rule in rules
    )
