"""What a task with a network of its own finds at its loopback address: this machine's server, and nothing else."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Final

from fargate_local.cloud.requests import CREDENTIAL_SCOPE, SIGV4_QUERY_SCOPE
from fargate_local.tcp_server import CHUNK, TcpServer, both_ways

HEAD_LIMIT: Final = 64 * 1024

REGISTRY: Final = re.compile(r"[A-Z]+ /v2/(?!credentials/)")
"""The first line of a request to a registry; the other path is that of a task's credentials."""

MayReach = Callable[[str], bool]
"""Whether the task's subnet reaches a service of AWS, by its signing name."""


class Doorway:
    """Forwards connections that a task makes to the server's address; call everything in the loop."""

    def __init__(
        self, listener: socket.socket, server: tuple[str, int], may_reach: MayReach | None, ports: set[int]
    ) -> None:
        """Take connections at `listener`; with `may_reach` those to services out of reach get no answer.

        `ports` are those that the server sees connections come from.
        """
        self._ports = ports
        self._listener = listener
        self._to = server
        self._may_reach = may_reach
        self._server = TcpServer(self._forward)

    async def start(self) -> None:
        """Begin to take connections."""
        await self._server.start(self._listener)

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        await self._server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = await self._head(reader) if self._may_reach else b""
        service = service_of(began)
        if self._may_reach and service and not self._may_reach(service):
            # On AWS nothing answers: the caller waits until its own patience ends.
            while await reader.read(CHUNK):
                pass
            return
        there, to = await asyncio.open_connection(*self._to)
        port = to.get_extra_info("sockname")[1]
        self._ports.add(port)
        try:
            to.write(began)
            await both_ways((reader, to), (there, writer))
        finally:
            self._ports.discard(port)
            to.close()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        """Return what came until the end of the first request's head."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
            more = await reader.read(CHUNK)
            if not more:
                break
            head += more
        return head


def service_of(head: bytes) -> str:
    """Return the signing name of the service that a request's head is for.

    `ecr.dkr` for what engines ask a registry; empty for anything else that is not signed.
    """
    text = head.partition(b"\r\n\r\n")[0].decode("latin-1")
    authorization = re.search(r"^authorization:(.*)$", text, re.IGNORECASE | re.MULTILINE)
    found = CREDENTIAL_SCOPE.search(authorization[1]) if authorization else None
    if found:
        return found[3].lower()
    line = text.partition("\r\n")[0]
    presigned = SIGV4_QUERY_SCOPE.search(line)
    if presigned:
        return presigned[2].lower()
    return "ecr.dkr" if REGISTRY.match(line) else ""
