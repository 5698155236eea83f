"""Where clients of a database arrive: ends their TLS, which the PostgreSQL of the wheel was built without.

PostgreSQL's documentation, "Frontend/Backend Protocol: Message Flow", "SSL Session Encryption": a client asks for TLS
with a packet of its own before it says anything else, or begins with TLS at once (from libpq 17 on).
"""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import Final

from fargate_local.ports import HOST
from fargate_local.tcp_server import copy

REQUEST_LENGTH: Final = 8
TLS_REQUEST: Final = struct.pack("!ii", REQUEST_LENGTH, 80877103)
GSSAPI_REQUEST: Final = struct.pack("!ii", REQUEST_LENGTH, 80877104)
CANCEL_CODE: Final = 80877102
HANDSHAKE: Final = 22
"""The first byte of a client that begins with TLS."""
STARTUP_LIMIT: Final = 10_000
"""PostgreSQL's own, MAX_STARTUP_PACKET_LENGTH in src/include/libpq/pqcomm.h."""
OPENING_SECONDS: Final = 60.0
"""As PostgreSQL's `authentication_timeout`."""
PAUSE_SECONDS: Final = 0.1
"""Before the next connection is taken after one that could not be."""
POLL_SECONDS: Final = 0.01
"""Between two looks at a request that came in pieces."""


class Front:
    """Forwards connections to a PostgreSQL on loopback; call everything in the loop."""

    def __init__(self, context: ssl.SSLContext, *, encrypted_only: bool) -> None:
        self.encrypted_only = encrypted_only
        """Whether clients without TLS are refused (`rds.force_ssl`)."""
        self._context = context
        self._to = 0
        self._taking: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket, to: int) -> None:
        """Begin to take connections for the PostgreSQL at a port; there may be several listeners."""
        listener.setblocking(False)
        self._to = to
        self._taking.append((listener, asyncio.create_task(self._take(listener))))

    async def refuse(self) -> None:
        """Take no more."""
        taking, self._taking = self._taking, []
        for listener, task in taking:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            listener.close()

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        await self.refuse()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, (host, _) = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:
                # Of the client that has gone, or of this process, which has too many open files.
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            task = asyncio.create_task(self._serve(sock, host))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _serve(self, sock: socket.socket, host: str) -> None:
        with suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(OPENING_SECONDS):
                tls, reader, writer = await self._opened(sock)
            try:
                async with asyncio.timeout(OPENING_SECONDS):
                    startup = await whole_packet(reader)
                if self.encrypted_only and not tls and not is_cancel(startup):
                    writer.write(refusal(host, startup))
                else:
                    await self._forward(reader, writer, startup)
            finally:
                writer.close()

    async def _opened(self, sock: socket.socket) -> tuple[bool, asyncio.StreamReader, asyncio.StreamWriter]:
        """Return whether a client encrypts, and the streams of its connection."""
        try:
            sock.setblocking(False)
            tls = await agreed(sock)
            return tls, *await streams(sock, self._context if tls else None)
        except BaseException:
            sock.close()
            raise

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        there, to = await asyncio.open_connection(HOST, self._to)
        to.write(startup)
        ways = (asyncio.create_task(copy(reader, to)), asyncio.create_task(copy(there, writer)))
        try:
            # PostgreSQL has no half-open connections: what one side ends has ended.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            to.close()


async def agreed(sock: socket.socket) -> bool:
    """Answer what a client asks for before its first packet; return whether it goes on with TLS."""
    while True:
        began = await peeked(sock)
        if began[0] == HANDSHAKE:
            return True
        if began not in (TLS_REQUEST, GSSAPI_REQUEST):
            return False
        # No more than the request: whatever else is there already was not sent by who encrypts (CVE-2021-23214).
        sock.recv(REQUEST_LENGTH)
        sock.send(b"S" if began == TLS_REQUEST else b"N")
        if began == TLS_REQUEST:
            return True


async def peeked(sock: socket.socket) -> bytes:
    """Return the first bytes that came, which stay where they are.

    Raises:
        EOFError: The client has gone.
    """
    await readable(sock)
    while began := sock.recv(REQUEST_LENGTH, socket.MSG_PEEK):
        if len(began) == REQUEST_LENGTH or began[0] == HANDSHAKE:
            return began
        await asyncio.sleep(POLL_SECONDS)
    raise EOFError


async def readable(sock: socket.socket) -> None:
    """Wait until something came, or the other side has gone."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(sock)


async def streams(sock: socket.socket, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the streams of a connection, after the handshake of TLS."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def whole_packet(reader: asyncio.StreamReader) -> bytes:
    """Return a client's first packet.

    Raises:
        EOFError: The client has gone, or sent no such packet.
    """
    head = await reader.readexactly(4)
    (length,) = struct.unpack("!i", head)
    if not REQUEST_LENGTH <= length <= STARTUP_LIMIT:
        raise EOFError
    return head + await reader.readexactly(length - 4)


def is_cancel(packet: bytes) -> bool:
    """Return whether a client's first packet asks to cancel what another connection does."""
    return bool(struct.unpack("!i", packet[4:8])[0] == CANCEL_CODE)


def refusal(host: str, startup: bytes) -> bytes:
    """Return PostgreSQL's words to a client that has to encrypt and does not, as a message of its protocol."""
    words = startup[8:].split(b"\0")
    given = dict(zip(words[::2], words[1::2], strict=False))
    user = given.get(b"user", b"").decode(errors="replace")
    database = given.get(b"database", b"").decode(errors="replace") or user
    text = f'no pg_hba.conf entry for host "{host}", user "{user}", database "{database}", no encryption'
    fields = {"S": "FATAL", "V": "FATAL", "C": "28000", "M": text}
    body = b"".join(f"{kind}{value}\0".encode() for kind, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body
