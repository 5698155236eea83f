"""Datagrams of a network load balancer's listener: each client's flow goes to one target, and the answers back.

Network Load Balancer user guide, "Connection idle timeout": flows of UDP are forgotten after 120 seconds (read November
2026). A flow whose target is deregistered goes to another one with its next datagram.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.balancing.snapshot import Group, Target

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 120.0
LARGEST: Final = 65_535

Address = tuple[str, int]
Choose = Callable[[str], tuple[Group, Target] | None]
"""Returns where a new flow from an address goes, or None for nowhere."""
Dial = Callable[[Group, Target], socket.socket]
"""Returns a connected socket for datagrams."""


@dataclass(slots=True)
class Flow:
    """One client at one of our sockets, and where its datagrams go."""

    group: Group
    target: Target
    upstream: socket.socket
    used_at: float


class Flows:
    """The flows of one listener. Use it in one loop."""

    def __init__(self, choose: Choose, lives: Callable[[Group, Target], bool], dial: Dial) -> None:
        """Begin.

        Args:
            choose: Returns where a new flow goes.
            lives: Returns whether a target still gets datagrams of its flows.
            dial: Returns a socket for a flow.
        """
        self._choose, self._lives, self._dial = choose, lives, dial
        self._loop = asyncio.get_running_loop()
        self._flows: dict[tuple[Any, Address], Flow] = {}
        self._transports: list[asyncio.DatagramTransport] = []

    async def listen_at(self, sock: socket.socket) -> None:
        """Take datagrams at one more socket."""
        transport, _ = await self._loop.create_datagram_endpoint(lambda: Inbox(self), sock=sock)
        self._transports.append(transport)

    def close(self) -> None:
        """Take no more."""
        for transport in self._transports:
            transport.close()
        for key in list(self._flows):
            self._forget(key)

    def arrived(self, transport: asyncio.DatagramTransport, client: Address, data: bytes) -> None:
        """Send a client's datagram on; it is lost where there is nowhere to send it."""
        key = (transport, client)
        flow = self._flows.get(key)
        if flow and not self._lives(flow.group, flow.target):
            self._forget(key)
            flow = None
        try:
            flow = flow or self._begun(key)
            if flow:
                flow.used_at = self._loop.time()
                flow.upstream.send(data)
        except OSError as error:
            log.debug("a datagram of %s was lost: %s", client, error)

    def _begun(self, key: tuple[Any, Address]) -> Flow | None:
        transport, client = key
        chosen = self._choose(client[0])
        if chosen is None:
            return None
        flow = Flow(*chosen, self._dial(*chosen), self._loop.time())
        self._flows[key] = flow
        self._loop.add_reader(flow.upstream, self._answered, transport, client, flow)
        self._loop.call_later(IDLE_SECONDS, self._look_at, key, flow)
        return flow

    def _answered(self, transport: asyncio.DatagramTransport, client: Address, flow: Flow) -> None:
        try:
            data = flow.upstream.recv(LARGEST)
        except OSError as error:
            log.debug("%s takes no datagrams: %s", flow.target, error)
            return
        flow.used_at = self._loop.time()
        transport.sendto(data, client)

    def _look_at(self, key: tuple[Any, Address], flow: Flow) -> None:
        if self._flows.get(key) is not flow:
            return
        left = flow.used_at + IDLE_SECONDS - self._loop.time()
        if left > 0:
            self._loop.call_later(left, self._look_at, key, flow)
        else:
            self._forget(key)

    def _forget(self, key: tuple[Any, Address]) -> None:
        flow = self._flows.pop(key)
        self._loop.remove_reader(flow.upstream)
        flow.upstream.close()


class Inbox(asyncio.DatagramProtocol):
    """What arrives at one socket."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    def connection_made(self, transport: Any) -> None:
        """Hear where datagrams will come from."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hear of a datagram."""
        self._flows.arrived(self._transport, addr, data)
