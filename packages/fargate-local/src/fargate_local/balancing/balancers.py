"""The load balancers of moto's ELB, really forwarding: from a thread of its own, as long as the server runs."""

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fargate_local.balancing.health import CHECKING, INTERNAL_ERROR, REGISTERING, Health
from fargate_local.balancing.pool import Key, Pool
from fargate_local.balancing.snapshot import Listener, Snapshot, Target, backends, sent_to, taken
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.target_groups import TargetHealth
from fargate_local.loop_thread import LoopThread

if TYPE_CHECKING:
    from fargate_local.balancing.connections import Connections
    from fargate_local.balancing.open_listeners import Open

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.1
ADDRESSES: Final = ipaddress.ip_network("169.254.172.0/23")
"""Where load balancers are found in the networks of VPCs."""

Dial = Callable[[str, str, socket.SocketKind], socket.socket | None]
"""Returns an unconnected socket of a kind in the network of a (VPC, address), or None for this machine's own."""
Listen = Callable[[str, str, int, socket.SocketKind], socket.socket]
"""Returns a socket of a kind that is bound in the network of a VPC, at an address and a port; a stream's listens."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A target of a service's task."""

    group: str
    target: Target


class Balancers:
    """Follows what moto holds. Its public methods may be called from any thread but the loop's."""

    def __init__(
        self,
        gate: MotoGate,
        known: TargetHealth,
        dial: Dial,
        times: float,
        on_change: Callable[[], None],
    ) -> None:
        """Begin.

        Args:
            gate: moto.
            known: Is made to know the health of targets.
            dial: Returns the sockets with which targets are reached.
            times: What intervals between checks and deregistration delays are multiplied by.
            on_change: Is called when the health of a target has changed.
        """
        self._gate = gate
        self._dial = dial
        self._times = times
        self._on_change = on_change
        self._pool = Pool(time.monotonic, times)
        self._changes = 0
        self._seen: tuple[int, int] | None = None
        self._connections: Connections | None = None
        self._open: dict[str, tuple[Open, int]] = {}
        self._problems: dict[str, tuple[Listener, str]] = {}
        self._checks: dict[Key, asyncio.Task[None]] = {}
        self._of_tasks: dict[str, tuple[Registered, ...]] = {}
        self._addresses: dict[str, str] = {}
        self._following = asyncio.Lock()
        known.health_of = self._told
        known.draining = lambda arn: [(target.address, target.port) for target in self._pool.draining(arn)]
        self._thread = LoopThread("load balancers")
        self._ticking = asyncio.run_coroutine_threadsafe(self._run(), self._thread.loop)

    def close(self) -> None:
        """Close every listener and every connection."""
        self._ticking.cancel()
        self._thread.wait_for(self._close())
        self._thread.close()

    def register(self, task: str, targets: Sequence[Registered]) -> list[str]:
        """Register a task's targets, once; return the target groups that took one."""
        if task in self._of_tasks:
            return []
        self._of_tasks[task] = tuple(targets)
        with self._gate.alone():
            groups = {arn: group for memory in backends() for arn, group in memory.target_groups.items()}
            for each in targets:
                if each.group in groups:
                    groups[each.group].register([{"Id": each.target.address, "Port": each.target.port}])
        self._changes += 1
        return [each.group for each in targets if each.group in groups]

    def health(self, task: str) -> list[tuple[Registered, Health | None]]:
        """Return the targets of a task and their health, None where nothing is known of it."""
        return [
            (each, self._pool.health_of(each.group, each.target.address, each.target.port))
            for each in self._of_tasks.get(task, ())
        ]

    def registered(self, task: str) -> bool:
        """Return whether a task has targets that were registered and not deregistered."""
        return task in self._of_tasks

    def drain(self, task: str) -> "Future[None]":
        """Deregister a task's targets; the result comes when nothing is on its way to them any more."""
        return asyncio.run_coroutine_threadsafe(self._drained(task), self._thread.loop)

    def found_in(self, dns_name: str, vpc: str, listen: Listen) -> str | None:
        """Let a load balancer of a VPC be found in its network, too.

        Args:
            dns_name: The load balancer's name.
            vpc: The VPC.
            listen: Returns a socket in the VPC's network.

        Returns:
            The address of its listeners there, or None where the VPC has no such load balancer.
        """
        ours = [opened for opened, _ in list(self._open.values()) if of_balancer(opened.listener, dns_name, vpc)]
        if not ours:
            return None
        address = self._addresses.setdefault(dns_name, str(ADDRESSES[len(self._addresses) + 1]))
        for opened in ours:
            if vpc not in opened.found_in:
                socks = [listen(vpc, address, opened.listener.port, kind) for kind in opened.kinds]
                opened.found_in.add(vpc)
                for sock in socks:
                    asyncio.run_coroutine_threadsafe(opened.listen_at(sock), self._thread.loop)
        return address

    def report(self) -> list[dict[str, Any]]:
        """Return every listener with where it is found here, and its targets."""
        listeners = [(opened.listener, port, "") for opened, port in list(self._open.values())]
        listeners += [(listener, 0, problem) for listener, problem in list(self._problems.values())]
        return [self._reported(*each) for each in sorted(listeners, key=lambda each: (each[0].balancer, each[0].port))]

    def _reported(self, listener: Listener, port: int, problem: str) -> dict[str, Any]:
        groups = dict.fromkeys(arn for rule in listener.rules for arn in sent_to(rule))
        scheme = listener.protocol.lower()
        return {
            "loadBalancer": listener.balancer,
            "dnsName": listener.dns_name,
            "listenerArn": listener.arn,
            "protocol": listener.protocol,
            "port": listener.port,
            "url": f"{scheme}://127.0.0.1:{port}" if port else None,
            "problem": problem or None,
            "targets": [self._reported_target(arn, target) for arn in groups for target in self._targets_of(arn)],
        }

    def _targets_of(self, arn: str) -> tuple[Target, ...]:
        group = self._pool.snapshot.groups.get(arn)
        return group.targets if group else ()

    def _reported_target(self, arn: str, target: Target) -> dict[str, Any]:
        health = self._pool.health_of(arn, target.address, target.port) or REGISTERING
        return {"targetGroupArn": arn, "id": target.address, "port": target.port, "state": health.state}

    async def _run(self) -> None:
        while True:
            try:
                await self._tick()
            except Exception:
                log.exception("the load balancers could not follow a change")
            await asyncio.sleep(TICK_SECONDS)

    async def _tick(self) -> None:
        async with self._following:
            seen = (self._gate.generation, self._changes)
            if seen != self._seen:
                await self._follow(await asyncio.to_thread(self._take))
                self._seen = seen
        self._pool.forget()

    def _take(self) -> Snapshot:
        with self._gate.held():
            return taken()

    async def _follow(self, snapshot: Snapshot) -> None:
        self._pool.take(snapshot)
        wanted = snapshot.listeners
        for arn, (opened, _) in list(self._open.items()):
            if arn not in wanted or needs_another_socket(opened.listener, wanted[arn]):
                del self._open[arn]
                await opened.close()
            else:
                opened.listener = wanted[arn]
        self._problems = {arn: each for arn, each in self._problems.items() if wanted.get(arn) == each[0]}
        for arn in wanted.keys() - self._open.keys() - self._problems.keys():
            await self._begin(wanted[arn])
        self._check_all()

    async def _begin(self, listener: Listener) -> None:
        # aiohttp takes a moment to import, which a server without load balancers does not spend.
        from fargate_local.balancing.open_listeners import ListenerError, opened

        try:
            self._open[listener.arn] = await opened(listener, self._pool, self._connected(), self._real_port)
        except ListenerError as error:
            self._problems[listener.arn] = (listener, str(error))
            log.warning("listener %s of %s: %s", listener.port, listener.balancer, error)

    def _connected(self) -> "Connections":
        if self._connections is None:
            from fargate_local.balancing.connections import Connections

            self._connections = Connections(self._dial)
        return self._connections

    def _real_port(self, balancer: str, port: int) -> int:
        """Return where a listener of a load balancer is found here; `port` itself where it has no such listener."""
        here = (
            found
            for opened, found in self._open.values()
            if (opened.listener.balancer, opened.listener.port) == (balancer, port)
        )
        return next(here, port)

    def _check_all(self) -> None:
        wanted = dict(self._pool.to_check())
        for key in self._checks.keys() - wanted.keys():
            self._checks.pop(key).cancel()
        for key in wanted.keys() - self._checks.keys():
            self._checks[key] = asyncio.ensure_future(self._check(key))

    async def _check(self, key: Key) -> None:
        """Check one target until it is no more."""
        from fargate_local.balancing.checks import checked

        arn, target = key
        while (group := self._pool.snapshot.groups.get(arn)) and group.check and key in self._pool.members:
            began = time.monotonic()
            verdict = self._pool.members[key].verdict
            if verdict.health.reason == "Elb.RegistrationInProgress":
                verdict.health = CHECKING
            before = verdict.health
            try:
                result = await checked(self._connected(), group, group.check, target)
            except Exception:
                log.exception("%s of %s could not be checked", target, arn)
                result = INTERNAL_ERROR
            after = verdict.heard(result, group.check.healthy_after, group.check.unhealthy_after)
            if after != before:
                if after.state == "healthy":
                    self._pool.warm_up(key)
                self._on_change()
            await asyncio.sleep(max(group.check.interval * self._times - (time.monotonic() - began), 0.01))

    def _told(self, arn: str, address: str, port: int) -> tuple[str, str | None, str | None] | None:
        health = self._pool.health_of(arn, address, port)
        return (health.state, health.reason, health.description) if health else None

    async def _drained(self, task: str) -> None:
        registered = self._of_tasks.pop(task, ())
        if not registered:
            return
        await asyncio.to_thread(self._deregister, registered)
        await self._tick()
        await asyncio.gather(*(self._pool.gone(each.group, each.target).wait() for each in registered))

    def _deregister(self, registered: Sequence[Registered]) -> None:
        with self._gate.alone():
            for memory in backends():
                for each in registered:
                    if group := memory.target_groups.get(each.group):
                        group.deregister([{"Id": each.target.address, "Port": each.target.port}])
        self._changes += 1

    async def _close(self) -> None:
        for check in self._checks.values():
            check.cancel()
        for opened, _ in self._open.values():
            await opened.close()
        if self._connections:
            await self._connections.close()


def of_balancer(listener: Listener, dns_name: str, vpc: str) -> bool:
    """Return whether a listener is one of a load balancer of this name and VPC."""
    return (listener.dns_name, listener.vpc) == (dns_name, vpc)


def needs_another_socket(was: Listener, now: Listener) -> bool:
    """Return whether a listener has changed in what its socket is made for."""
    return (was.port, was.protocol, was.certificate) != (now.port, now.protocol, now.certificate)
