"""What tasks may send to each other and to the outside: security groups and routes, as rules of iptables.

VPC user guide, "Security group rules" (read November 2026): a group's rules allow, whatever they do not allow is
dropped, and answers to what was allowed always pass.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.vpc_network import UPLINK, Guest
from fargate_local.strict import account
from fargate_local.strict.network import ENDPOINT_NAMES, Network, Rule, rules_of

CHAIN_LETTERS: Final = 20
"""Of an identifier in a chain's name, which may have 28 (XT_EXTENSION_MAXNAMELEN)."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A task or guest: its address, its groups, the rules of these, and whether its subnet leads to the internet."""

    name: str
    address: str
    groups: frozenset[str]
    egress: tuple[Rule, ...]
    ingress: tuple[Rule, ...]
    leads_out: bool


def restore(tasks: Sequence[Guarded], guests: Sequence[Guarded] = ()) -> str:
    """Return the input of `iptables-restore` for a VPC's tasks, and for what answers in its router beside them."""
    members: dict[str, list[str]] = {}
    for each in (*tasks, *guests):
        for group in each.groups:
            members.setdefault(group, []).append(each.address)
    chains = [f":{way}-{task.name} - [0:0]" for task in tasks for way in ("o", "i")]
    chains += [f":i-{guest.name} - [0:0]" for guest in guests]
    lines = [
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        f"-A INPUT -i {UPLINK} -j ACCEPT",
        *(f"-A INPUT -s {task.address} -d {guest.address} -g o-{task.name}" for guest in guests for task in tasks),
        *(f"-A INPUT -d {guest.address} -j DROP" for guest in guests),
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        f"-A FORWARD -i {UPLINK} -j ACCEPT",
        *(f"-A FORWARD -s {task.address} -g o-{task.name}" for task in tasks),
        *(line for task in tasks for line in leaving(task, members)),
        *(f"-A arrives -d {each.address} -g i-{each.name}" for each in (*tasks, *guests)),
        f"-A arrives -o {UPLINK} -j ACCEPT",
        "-A arrives -j DROP",
        *(line for each in (*tasks, *guests) for line in arriving(each, members)),
    ]
    return "\n".join(
        ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":arrives - [0:0]", *chains, *lines, "COMMIT", ""]
    )


def leaving(task: Guarded, members: Mapping[str, list[str]]) -> list[str]:
    """Return the chain of what a task sends."""
    closed = [] if task.leads_out else [f"-A o-{task.name} -o {UPLINK} -j DROP"]
    allowed = [f"-A o-{task.name} {match} -g arrives" for match in matches("-d", task.egress, members)]
    return [*closed, *allowed, f"-A o-{task.name} -j DROP"]


def arriving(task: Guarded, members: Mapping[str, list[str]]) -> list[str]:
    """Return the chain of what is sent to a task."""
    allowed = [f"-A i-{task.name} {match} -j ACCEPT" for match in matches("-s", task.ingress, members)]
    return [*allowed, f"-A i-{task.name} -j DROP"]


def matches(side: str, rules: Iterable[Rule], members: Mapping[str, list[str]]) -> list[str]:
    """Return what the rules match; those of IPv6 and of prefix lists match no task."""
    found = []
    for rule in rules:
        peers = [rule.block] if rule.block else members.get(rule.group, [])
        ports = f" --dport {max(rule.first, 0)}:{rule.last}" if rule.protocol in ("tcp", "udp") else ""
        protocol = "" if rule.protocol == "-1" else f" -p {rule.protocol}{ports}"
        found += [f"{side} {peer}{protocol}" for peer in peers]
    return found


def firewall(network: Network) -> Callable[[Sequence[TaskPlan], Sequence[Guest]], str]:
    """Return what judges the tasks and guests of a VPC by moto's EC2, at the moment that it is called."""

    def judge(tasks: Sequence[TaskPlan], guests: Sequence[Guest]) -> str:
        leading = [
            guarded(task.task_id, task, leads_out=network.unreachable(task, "internet") is None) for task in tasks
        ]
        return restore(leading, [guarded(guest.name, guest, leads_out=False) for guest in guests])

    return judge


def guarded(name: str, member: TaskPlan | Guest, *, leads_out: bool) -> Guarded:
    """Return a task or guest with the rules of its groups."""
    memory = account.backend("ec2", member.region)
    known = {group.id: group for of_vpc in list(memory.groups.values()) for group in list(of_vpc.values())}
    groups = [known[name] for name in member.groups if name in known]
    return Guarded(
        name[-CHAIN_LETTERS:],
        member.address,
        frozenset(member.groups),
        rules_of(rule for group in groups for rule in group.egress_rules),
        rules_of(rule for group in groups for rule in group.ingress_rules),
        leads_out,
    )


def reaches(network: Network, task: TaskPlan, signed_for: str) -> bool:
    """Return whether a task's subnet reaches the service that a call is signed for."""
    return network.unreachable(task, ENDPOINT_NAMES.get(signed_for, signed_for)) is None
