"""The sockets of listeners: which port each has, with TLS or without, forwarding HTTP or bytes."""

import asyncio
import socket
import ssl
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from fargate_local.balancing.connections import Connections
from fargate_local.balancing.pool import Pool, spread
from fargate_local.balancing.proxy import Proxy, RealPort
from fargate_local.balancing.snapshot import Listener, weighted
from fargate_local.tcp_server import TcpServer, both_ways

LOOPBACK: Final = "127.0.0.1"
FIRST_FREE: Final = 1024
DERIVED: Final = range(20_000, 30_000)
HEAD_LIMIT: Final = 64 * 1024
BACKLOG: Final = 1024
CLOSE_SECONDS: Final = 1.0


class ListenerError(RuntimeError):
    """The listener cannot be opened; the text says why, and what to do."""


class Open(Protocol):
    """A listener that takes connections."""

    listener: Listener
    found_in: set[str]
    """The VPCs in whose networks it listens, too."""

    async def listen_at(self, sock: socket.socket) -> None:
        """Take connections at one more socket."""

    async def close(self) -> None:
        """Take no more, and end those that there are."""


async def opened(listener: Listener, pool: Pool, connections: Connections, real_port: RealPort) -> tuple[Open, int]:
    """Open a listener and return it with its port.

    Raises:
        ListenerError: It cannot be.
    """
    tls = context_of(listener) if listener.protocol in ("HTTPS", "TLS") else None
    if listener.protocol not in ("HTTP", "HTTPS", "TCP", "TLS"):
        message = f"a listener for {listener.protocol} is not forwarded: use HTTP, HTTPS, TCP or TLS"
        raise ListenerError(message)
    sock = bound(listener)
    made: OpenHttp | OpenTcp
    if listener.protocol in ("HTTP", "HTTPS"):
        made = OpenHttp(Proxy(listener, pool, connections, real_port), tls)
    else:
        made = OpenTcp(listener, pool, connections, tls)
    await made.listen_at(sock)
    return made, sock.getsockname()[1]


def bound(listener: Listener) -> socket.socket:
    """Return a socket at the listener's own port, or at one that a restart finds again, or at any that is free.

    Raises:
        ListenerError: None is.
    """
    own = [listener.port] if listener.port >= FIRST_FREE else []
    derived = DERIVED[zlib.crc32(listener.arn.encode()) % len(DERIVED)]
    for port in (*own, derived, 0):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((LOOPBACK, port))
        except OSError:
            made.close()
            continue
        made.listen(BACKLOG)
        return made
    message = f"no port is free on {LOOPBACK}"
    raise ListenerError(message)


def context_of(listener: Listener) -> ssl.SSLContext:
    """Return a context with the listener's certificate, as moto's ACM or IAM has it.

    Raises:
        ListenerError: There is none, or it has no key.
    """
    found = certificate(listener.certificate)
    if found is None:
        message = f"the certificate {listener.certificate or 'of the listener'} is not in ACM or IAM: import it there"
        raise ListenerError(message)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile(prefix="fargate-local-") as file:
        Path(file.name).write_bytes(b"\n".join(found))
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            message = f"the certificate {listener.certificate} and its key do not fit: {error}"
            raise ListenerError(message) from error
    return context


def certificate(arn: str) -> tuple[bytes, bytes] | None:
    """Return the (certificate, key) in PEM that moto has under an ARN, or None."""
    if ":acm:" in arn:
        from moto.acm.models import acm_backends

        account, region = arn.split(":")[4], arn.split(":")[3]
        bundle = acm_backends[account][region]._certificates.get(arn)
        return (as_bytes(bundle.cert), as_bytes(bundle.key)) if bundle else None
    if ":iam:" in arn:
        from moto.iam.models import iam_backends

        found: Any = iam_backends[arn.split(":")[4]]["aws"].get_certificate_by_arn(arn)
        return (as_bytes(found.cert_body), as_bytes(found.private_key)) if found else None
    return None


def as_bytes(text: str | bytes) -> bytes:
    """Return PEM as bytes."""
    return text.encode() if isinstance(text, str) else text


class OpenHttp:
    """A listener of an application load balancer."""

    def __init__(self, proxy: Proxy, tls: ssl.SSLContext | None) -> None:
        self.found_in: set[str] = set()
        self._proxy = proxy
        self._tls = tls
        self._runner = web.ServerRunner(
            web.Server(proxy.answer, access_log=None, max_line_size=HEAD_LIMIT, max_field_size=HEAD_LIMIT)
        )

    @property
    def listener(self) -> Listener:
        """What it does; set it to have it do something else from the next request on."""
        return self._proxy.listener

    @listener.setter
    def listener(self, listener: Listener) -> None:
        self._proxy.listener = listener

    async def listen_at(self, sock: socket.socket) -> None:
        """Take connections at one more socket."""
        if self._runner.server is None:
            await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=self._tls).start()

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), CLOSE_SECONDS)


class OpenTcp:
    """A listener of a network load balancer."""

    def __init__(self, listener: Listener, pool: Pool, connections: Connections, tls: ssl.SSLContext | None) -> None:
        self.listener = listener
        self.found_in: set[str] = set()
        self._tls = tls
        self._pool = pool
        self._connections = connections
        self._server = TcpServer(self._forward)

    async def listen_at(self, sock: socket.socket) -> None:
        """Take connections at one more socket."""
        await self._server.start(sock, self._tls)

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        await self._server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arn = spread(weighted(self.listener.rules[-1].actions[0]), 0)
        group = self._pool.snapshot.groups.get(arn or "")
        target = self._pool.next(group) if group else None
        if group is None or target is None:
            return
        with self._pool.sending(group, target):
            there, to = await self._connections.open(group, target)
            try:
                await both_ways((reader, to), (there, writer))
            finally:
                to.close()
