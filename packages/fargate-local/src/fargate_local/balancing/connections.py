"""Connections to targets: from this machine's network, or from within a VPC that tasks have for themselves."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from fargate_local.balancing.snapshot import Group, Target

CONNECT_SECONDS = 10.0
"""Application Load Balancer user guide, "HTTP 504": "before the connection timeout expired (10 seconds)"."""


class Connections:
    """One HTTP client per VPC, and plain connections. Use it in one loop."""

    def __init__(self, dial: Callable[[str, str, socket.SocketKind], socket.socket | None]) -> None:
        self._dial = dial
        self._sessions: dict[str, ClientSession] = {}

    def session(self, vpc: str) -> ClientSession:
        """Return the HTTP client for targets in a VPC."""
        if vpc not in self._sessions:
            # A connection for each request: one that is kept may be closed by a target just as it is used again.
            connector = TCPConnector(limit=0, force_close=True, ssl=False, socket_factory=self._socket_factory(vpc))
            self._sessions[vpc] = ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._sessions[vpc]

    def _socket_factory(self, vpc: str) -> Callable[[Any], socket.socket]:
        def make(info: Any) -> socket.socket:
            family, kind, protocol, _, address = info
            made = self._dial(vpc, address[0], socket.SOCK_STREAM)
            return made if made is not None else socket.socket(family, kind, protocol)

        return make

    def datagrams(self, group: Group, target: Target) -> socket.socket:
        """Return a socket for datagrams to a target.

        Raises:
            OSError: There is no way to it.
        """
        found = self._dial(group.vpc, target.address, socket.SOCK_DGRAM)
        made = found if found is not None else socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        try:
            made.connect((target.address, target.port))
        except OSError:
            made.close()
            raise
        return made

    async def open(self, group: Group, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to a target.

        Raises:
            OSError: It does not take one.
            TimeoutError: It does not answer.
        """
        made = self._dial(group.vpc, target.address, socket.SOCK_STREAM)
        plain = made if made is not None else socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(plain, (target.address, target.port)), CONNECT_SECONDS)
            return await asyncio.open_connection(sock=plain)
        except BaseException:
            plain.close()
            raise

    async def close(self) -> None:
        """Close the clients."""
        for session in self._sessions.values():
            await session.close()
