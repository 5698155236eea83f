"""The DNS server of a task with a network of its own: names of Cloud Map from us, all others from this machine's."""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

CONFIGURATION: Final = Path("/etc/resolv.conf")
ANSWER_SECONDS: Final = 5.0
DNS_PORT: Final = 53
TYPES: Final = frozenset({"A", "AAAA", "SRV", "CNAME"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a name that is ours: whether there is one, and the (time to live, value) of its records."""

    exists: bool
    records: tuple[tuple[int, str], ...] = ()


Lookup = Callable[[str, str], Answer | None]
"""Returns what is known of a name and a type; None for a name that is not ours."""


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
        answer = self._own(data)
        if answer is not None:
            self._transport.sendto(answer, addr)
            return
        asking = asyncio.ensure_future(self._pass_on(data, addr))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    def _own(self, data: bytes) -> bytes | None:
        """Return the answer to a question about a name of ours, or None."""
        try:
            query = dns.message.from_wire(data)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        if kind not in TYPES:
            return None
        found = self._lookup(name, kind)
        if found is None:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        if not found.exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        for ttl, value in found.records:
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, value))
        return response.to_wire()

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
