"""A network of its own for each task: its address, the server at its loopback address, and names."""

import itertools
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import psutil

from fargate_local.loop_thread import LoopThread
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.doorway import Doorway
from fargate_local.runtimes.lookup import Answer
from fargate_local.runtimes.namespaces import NetworkError, command, existing, listening, made_inside, remove
from fargate_local.runtimes.resolver import DNS_PORT, Resolver
from fargate_local.runtimes.vpc_network import RESOLVER, Firewall, Guest, VpcNetwork

log = logging.getLogger(__name__)

PREFIX: Final = "fargate-local-"
LINKS: Final = 8192
"""How many /30 of 169.254.64.0 and above are there to choose from."""
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the networks of all tasks have in common.

    ``server`` is where this server listens, ``firewall`` what tasks may send (None: everything), ``may_reach`` whether
    a task reaches a service of AWS (None: always).
    """

    server: tuple[str, int]
    firewall: Firewall | None = None
    may_reach: Callable[[TaskPlan, str], bool] | None = None


@dataclass(slots=True)
class Connected:
    """What one task has."""

    task: TaskPlan
    namespace: str
    vpc: VpcNetwork
    ports: set[int] = field(default_factory=set)
    parts: list[Doorway | Resolver] = field(default_factory=list)


class TaskNetworks:
    """Makes and removes them, from several threads."""

    def __init__(self, around: Surroundings) -> None:
        self.names: Callable[[TaskPlan, str, str], Answer | None] = lambda *_: None
        """Returns what is known of a name and a type of record in a task's VPC."""
        self._around = around
        self._mark = f"{PREFIX}{os.getpid()}-"
        self._lock = threading.RLock()
        self._vpcs: dict[tuple[str, str], VpcNetwork] = {}
        self._tasks: dict[str, Connected] = {}
        self._numbers = itertools.count(os.getpid() * 16)
        self._thread = LoopThread("task networks")

    def namespace(self, task: TaskPlan) -> str:
        """Return the name of a task's namespace."""
        return f"{self._mark}{task.task_id}"

    def connect(self, task: TaskPlan) -> None:
        """Give a task its network.

        Raises:
            StartError: It could not be made.
        """
        try:
            with self._lock:
                self._connect(task)
        except NetworkError as error:
            log.warning("no network for task %s: %s", task.task_id, error)
            self.disconnect(task)
            message = f"ResourceInitializationError: failed to set up the task's network: {error}"
            raise StartError(message) from error

    def _connect(self, task: TaskPlan) -> None:
        name, around = self.namespace(task), self._around
        vpc = self._vpc(task.region, task.vpc)
        connected = self._tasks[task.arn] = Connected(task, name, vpc)
        command("ip", "netns", "add", name)
        vpc.join(task, name)
        reach = around.may_reach
        doorway = Doorway(
            listening(name, socket.SOCK_STREAM, (LOOPBACK, around.server[1])),
            around.server,
            (lambda service: reach(task, service)) if reach else None,
            connected.ports,
        )
        self._thread.wait_for(doorway.start())
        connected.parts.append(doorway)
        resolver = Resolver(lambda asked, kind: self.names(task, asked, kind))
        self._thread.wait_for(resolver.start(listening(name, socket.SOCK_DGRAM, (RESOLVER, DNS_PORT))))
        connected.parts.append(resolver)

    def _vpc(self, region: str, vpc: str) -> VpcNetwork:
        key = (region, vpc)
        if key not in self._vpcs:
            self._vpcs[key] = VpcNetwork(self._mark, vpc, self._free_link(), self._around.firewall)
        return self._vpcs[key]

    def admit(self, guest: Guest) -> None:
        """Have a guest's address lead to this server; again with other groups, if these have changed.

        Raises:
            NetworkError: It cannot.
        """
        with self._lock:
            self._vpc(guest.region, guest.vpc).admit(guest)

    def listen_as(self, guest: Guest) -> socket.socket:
        """Return a socket that listens where a guest is found, which was admitted.

        Raises:
            NetworkError: It cannot.
        """
        with self._lock:
            router = self._vpc(guest.region, guest.vpc)
        return listening(router.name, socket.SOCK_STREAM, (guest.address, guest.port))

    def dismiss(self, guest: Guest) -> None:
        """Forget a guest."""
        known = self._vpcs.get((guest.region, guest.vpc))
        with self._lock, suppress(NetworkError):
            if known:
                known.dismiss(guest.address)

    def _free_link(self) -> str:
        """Return the first address of a /30 that this machine does not use.

        Raises:
            NetworkError: All are in use.
        """
        used = command("ip", "-4", "-oneline", "addr")
        for number in itertools.islice(self._numbers, LINKS):
            place = number % LINKS
            link = f"169.254.{64 + place // 64}.{place % 64 * 4}"
            if f" {link.rpartition('.')[0]}.{int(link.rpartition('.')[2]) + 1}/" not in used:
                return link
        message = "no free network below 169.254.64.0 on this machine"
        raise NetworkError(message)

    def task_behind(self, port: int) -> TaskPlan | None:
        """Return the task whose connection to the server comes from this port."""
        return next((each.task for each in list(self._tasks.values()) if port in each.ports), None)

    def dial(self, vpc: str, address: str, kind: socket.SocketKind) -> socket.socket | None:
        """Return an unconnected socket of a kind in a VPC's network; None for an address that is no task's of it."""
        # Without the lock, which is held for as long as a network is being made.
        found = next((each for each in self._named(vpc) if each.holds(address)), None)
        return made_inside(found.name, kind) if found else None

    def listen(self, vpc: str, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
        """Return a socket of a kind, bound in the network of a VPC, at an address that its tasks reach.

        Raises:
            NetworkError: The VPC has no network, or the address and port are taken.
        """
        for each in self._named(vpc):
            each.answer_to(address)
            return listening(each.name, kind, (address, port))
        message = f"{vpc} has no network here"
        raise NetworkError(message)

    def _named(self, vpc: str) -> list[VpcNetwork]:
        return [each for (_, name), each in list(self._vpcs.items()) if name == vpc]

    def disconnect(self, task: TaskPlan) -> None:
        """Remove a task's network."""
        with self._lock:
            connected = self._tasks.pop(task.arn, None)
        if connected is None:
            return
        for part in connected.parts:
            self._thread.wait_for(part.close())
        with suppress(NetworkError):
            remove(connected.namespace)
        with self._lock, suppress(NetworkError):
            connected.vpc.leave(task)

    def close(self) -> None:
        """Remove the networks of the VPCs, and those of tasks that were not waited for."""
        self._thread.close()
        for connected in self._tasks.values():
            with suppress(NetworkError):
                remove(connected.namespace)
        for vpc in self._vpcs.values():
            vpc.close()

    def end_leftovers(self) -> None:
        """Remove what servers left behind that are gone."""
        for name in existing(PREFIX):
            if gone(name):
                with suppress(NetworkError):
                    remove(name)
        for table in ("filter", "nat"):
            for rule in command("iptables", "-w", "-t", table, "-S").splitlines():
                words = [word.strip('"') for word in rule.split()]
                if "--comment" in words and gone(words[words.index("--comment") + 1]):
                    command("iptables", "-w", "-t", table, "-D", *words[1:])


def gone(name: str) -> bool:
    """Return whether the server that gave something this name has ended."""
    pid = name.removeprefix(PREFIX).partition("-")[0]
    return name.startswith(PREFIX) and pid.isdigit() and not psutil.pid_exists(int(pid))
