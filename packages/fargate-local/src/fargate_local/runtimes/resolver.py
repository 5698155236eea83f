"""The DNS server of a task with a network of its own: names of Cloud Map from us, all others from this machine's."""

import asyncio
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fargate_local.runtimes.lookup import Lookup

CONFIGURATION: Final = Path("/etc/resolv.conf")
ANSWER_SECONDS: Final = 5.0
DNS_PORT: Final = 53


class Resolver(asyncio.DatagramProtocol):
    """Answers what comes to one socket, in the running loop."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._transport: Any = None
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer at a bound socket."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=listener)

    async def close(self) -> None:
        """Answer no more."""
        self._transport.close()
        for each in self._asking:
            each.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question."""
        # dnspython takes a moment to import, which a server without networks for tasks does not spend.
        from fargate_local.runtimes.dns_messages import answered

        answer = answered(data, self._lookup)
        if answer is not None:
            self._transport.sendto(answer, addr)
            return
        asking = asyncio.ensure_future(self._pass_on(data, addr))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _pass_on(self, data: bytes, addr: tuple[str, int]) -> None:
        for server in servers():
            with suppress(OSError, TimeoutError):
                answer = await asyncio.wait_for(ask(server, data), ANSWER_SECONDS)
                self._transport.sendto(answer, addr)
                return


class Question(asyncio.DatagramProtocol):
    """One question to another server."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take the answer."""
        del addr
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """Take a refusal."""
        if not self.answer.done():
            self.answer.set_exception(exc)


async def ask(server: str, data: bytes) -> bytes:
    """Return a name server's answer to a question.

    Raises:
        OSError: It cannot be reached.
    """
    loop = asyncio.get_running_loop()
    transport, question = await loop.create_datagram_endpoint(Question, remote_addr=(server, DNS_PORT))
    try:
        transport.sendto(data)
        return await question.answer
    finally:
        transport.close()


def servers() -> list[str]:
    """Return this machine's name servers."""
    try:
        text = CONFIGURATION.read_text()
    except OSError:
        return []
    return re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)
