"""The network of one VPC: a namespace that routes between its tasks, and between them and this machine.

Each task is joined by a pair of interfaces to this router and has only a default route, so that all it sends passes
here and can be filtered. Other servers' VPCs, and other VPCs of this server, are other namespaces: their addresses may
overlap.
"""

import hashlib
import logging
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.namespaces import NetworkError, command, configure, inside, remove

log = logging.getLogger(__name__)

GATEWAY: Final = "169.254.1.1"
"""Where tasks send everything: the router's address on each of its links."""
RESOLVER: Final = "169.254.169.253"
"""VPC user guide, "DNS attributes for your VPC": the link-local address of the Amazon DNS server."""
UPLINK: Final = "uplink0"
KIND_OF_UPLINKS: Final = "fu"
KIND_OF_LINKS: Final = "ft"
OPEN: Final = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"


@dataclass(frozen=True, slots=True)
class Guest:
    """What tasks of a VPC reach at an address in it though it is no task: this server listens there, in the router."""

    name: str
    region: str
    vpc: str
    address: str
    port: int
    groups: tuple[str, ...]


Firewall = Callable[[Sequence[TaskPlan], Sequence[Guest]], str]
"""Returns what `iptables-restore` is to be given for the tasks and guests of a VPC; `UPLINK` leads to this machine."""


class VpcNetwork:
    """The router, from construction to `close`."""

    def __init__(self, mark: str, vpc: str, link: str, firewall: Firewall | None) -> None:
        """Make it.

        Args:
            mark: What begins the names of all that this server makes.
            vpc: The VPC's identifier.
            link: The first three bytes and a half of a /30 that nobody uses, such as `169.254.64.8`.
            firewall: Judges what tasks may send to whom; None lets everything pass.

        Raises:
            NetworkError: It could not be made.
        """
        self.name = f"{mark}{vpc}"
        self._uplink = interface(KIND_OF_UPLINKS, self.name)
        base, _, last = link.rpartition(".")
        self._host, self._own = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        self._firewall = firewall
        self._tasks: dict[str, TaskPlan] = {}
        self._guests: dict[str, Guest] = {}
        self._answers: set[str] = set()
        try:
            self._make()
        except NetworkError:
            self.close()
            raise

    def _make(self) -> None:
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", self._uplink, "type", "veth", "peer", "name", UPLINK, "netns", self.name)
        lines = (f"addr add {self._host}/30 dev {self._uplink}", f"link set {self._uplink} up")
        command("ip", "-batch", "-", text="\n".join(lines))
        configure(
            self.name,
            "link set lo up",
            f"addr add {self._own}/30 dev {UPLINK}",
            f"link set {UPLINK} up",
            f"route add default via {self._host}",
        )
        inside(self.name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        inside(self.name, "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", UPLINK, "-j", "MASQUERADE")
        for rule in self._rules_of_this_machine():
            command("iptables", "-w", *rule("-A" if "nat" in rule("-A") else "-I"))
        self._filter()

    def _rules_of_this_machine(self) -> list[Callable[[str], list[str]]]:
        """Return what lets the VPC out, as functions of iptables' command."""
        comment = ["-m", "comment", "--comment", self.name]
        return [
            lambda verb: ["-t", "nat", verb, "POSTROUTING", "-s", self._own, *comment, "-j", "MASQUERADE"],
            lambda verb: [verb, "FORWARD", "-i", self._uplink, *comment, "-j", "ACCEPT"],
            lambda verb: [verb, "FORWARD", "-o", self._uplink, *comment, "-j", "ACCEPT"],
            # Inserted last, so it comes first: VPCs do not reach each other.
            lambda verb: [verb, "FORWARD", "-i", f"{KIND_OF_UPLINKS}+", "-o", self._uplink, *comment, "-j", "DROP"],
        ]

    def join(self, task: TaskPlan, namespace: str) -> None:
        """Give a task's namespace, which exists, its address in the VPC.

        Raises:
            NetworkError: It could not be given.
        """
        link = interface(KIND_OF_LINKS, task.task_id)
        command(
            *("ip", "link", "add", "eth0", "netns", namespace, "type", "veth"),
            *("peer", "name", link, "netns", self.name),
        )
        configure(
            self.name,
            f"addr add {GATEWAY}/32 dev {link}",
            f"link set {link} up",
            f"route add {task.address}/32 dev {link}",
        )
        configure(
            namespace,
            "link set lo up",
            f"addr add {RESOLVER}/32 dev lo",
            f"addr add {task.address}/32 dev eth0",
            "link set eth0 up",
            f"route add default via {GATEWAY} dev eth0 onlink src {task.address}",
        )
        self._lead_to(task.address)
        self._tasks[task.arn] = task
        self._filter()

    def _lead_to(self, address: str) -> None:
        """Let this machine reach an address of the VPC."""
        try:
            command("ip", "route", "add", f"{address}/32", "via", self._own, "dev", self._uplink)
        except NetworkError:
            # Another VPC or another server has this address, too: this machine can reach one of the two.
            log.warning("%s is taken on this machine: it reaches another one there", address)

    def _lead_no_more(self, address: str) -> None:
        with suppress(NetworkError):
            command("ip", "route", "delete", f"{address}/32", "dev", self._uplink)

    def admit(self, guest: Guest) -> None:
        """Have a guest's address lead here, for whom its groups let in; a known one may have other groups by now.

        Raises:
            NetworkError: It cannot.
        """
        if guest.address not in self._guests:
            self.answer_to(guest.address)
            self._lead_to(guest.address)
        self._guests[guest.address] = guest
        self._filter()

    def dismiss(self, address: str) -> None:
        """Forget a guest; its address stays the router's, without anybody there."""
        self._guests.pop(address, None)
        self._lead_no_more(address)
        self._filter()

    def answer_to(self, address: str) -> None:
        """Have the router answer to one more address.

        Raises:
            NetworkError: It cannot.
        """
        if address not in self._answers:
            configure(self.name, f"addr add {address}/32 dev lo")
            self._answers.add(address)

    def holds(self, address: str) -> bool:
        """Return whether a task of the VPC has an address."""
        return any(task.address == address for task in list(self._tasks.values()))

    def leave(self, task: TaskPlan) -> None:
        """Forget a task; its links go with its namespace."""
        self._tasks.pop(task.arn, None)
        self._lead_no_more(task.address)
        self._filter()

    def _filter(self) -> None:
        guests = tuple(self._guests.values())
        rules = self._firewall(tuple(self._tasks.values()), guests) if self._firewall else OPEN
        inside(self.name, "iptables-restore", text=rules)

    def close(self) -> None:
        """Remove the router and what this machine knows of it."""
        for rule in self._rules_of_this_machine():
            with suppress(NetworkError):
                command("iptables", "-w", *rule("-D"))
        with suppress(NetworkError, subprocess.TimeoutExpired):
            remove(self.name)


def interface(kind: str, name: str) -> str:
    """Return a name for an interface, which may have 15 letters."""
    return f"{kind}{hashlib.sha256(name.encode()).hexdigest()[:12]}"
