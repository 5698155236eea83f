"""The sockets of listeners: which port each has, with TLS or without, forwarding HTTP or bytes."""

import asyncio
import socket
import ssl
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from fargate_local.balancing.connections import Connections
from fargate_local.balancing.datagrams import Flows
from fargate_local.balancing.pool import Pool, spread
from fargate_local.balancing.proxy import Proxy, RealPort
from fargate_local.balancing.snapshot import Group, Listener, Target, weighted
from fargate_local.balancing.stickiness import by_source
from fargate_local.tcp_server import TcpServer, both_ways

LOOPBACK: Final = "127.0.0.1"
FIRST_FREE: Final = 1024
DERIVED: Final = range(20_000, 30_000)
HEAD_LIMIT: Final = 64 * 1024
BACKLOG: Final = 1024
CLOSE_SECONDS: Final = 1.0
TRIES: Final = 5
"""How often any free port is tried: where it is for TCP it may be taken for UDP."""
STREAMS: Final = (socket.SOCK_STREAM,)
KINDS: Final = {"UDP": (socket.SOCK_DGRAM,), "TCP_UDP": (socket.SOCK_STREAM, socket.SOCK_DGRAM)}
"""The kinds of sockets for protocols that take datagrams."""


class ListenerError(RuntimeError):
    """The listener cannot be opened; the text says why, and what to do."""


class Open(Protocol):
    """A listener that takes connections."""

    listener: Listener
    found_in: set[str]
    """The VPCs in whose networks it listens, too."""

    @property
    def kinds(self) -> Sequence[socket.SocketKind]:
        """Of what kind its sockets are."""

    async def listen_at(self, sock: socket.socket) -> None:
        """Take connections, or datagrams, at one more socket."""

    async def close(self) -> None:
        """Take no more, and end those that there are."""


async def opened(listener: Listener, pool: Pool, connections: Connections, real_port: RealPort) -> tuple[Open, int]:
    """Open a listener and return it with its port.

    Raises:
        ListenerError: It cannot be.
    """
    tls = context_of(listener) if listener.protocol in ("HTTPS", "TLS") else None
    if listener.protocol not in ("HTTP", "HTTPS", "TCP", "TLS", *KINDS):
        message = f"a listener for {listener.protocol} is not forwarded: use HTTP, HTTPS, TCP, TLS, UDP or TCP_UDP"
        raise ListenerError(message)
    made: OpenHttp | OpenNetwork
    if listener.protocol in ("HTTP", "HTTPS"):
        made = OpenHttp(Proxy(listener, pool, connections, real_port), tls)
    else:
        made = OpenNetwork(listener, pool, connections, tls)
    socks = bound(listener, made.kinds)
    for sock in socks:
        await made.listen_at(sock)
    return made, socks[0].getsockname()[1]


def bound(listener: Listener, kinds: Sequence[socket.SocketKind]) -> list[socket.socket]:
    """Return sockets at the listener's own port, or at one that a restart finds again, or at any that is free.

    Raises:
        ListenerError: None is.
    """
    own = [listener.port] if listener.port >= FIRST_FREE else []
    derived = DERIVED[zlib.crc32(listener.arn.encode()) % len(DERIVED)]
    for port in (*own, derived, *[0] * TRIES):
        if made := bound_at(port, kinds):
            return made
    message = f"no port is free on {LOOPBACK}"
    raise ListenerError(message)


def bound_at(port: int, kinds: Sequence[socket.SocketKind]) -> list[socket.socket]:
    """Return a socket of each kind at a port, 0 for any that the first finds; none if one is taken."""
    made: list[socket.socket] = []
    for kind in kinds:
        sock = socket.socket(socket.AF_INET, kind)
        made.append(sock)
        try:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((LOOPBACK, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(BACKLOG)
        except OSError:
            for each in made:
                each.close()
            return []
        port = sock.getsockname()[1]
    return made


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
        self.kinds = STREAMS
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


class OpenNetwork:
    """A listener of a network load balancer."""

    def __init__(self, listener: Listener, pool: Pool, connections: Connections, tls: ssl.SSLContext | None) -> None:
        self.listener = listener
        self.found_in: set[str] = set()
        self.kinds = KINDS.get(listener.protocol, STREAMS)
        self._tls = tls
        self._pool = pool
        self._connections = connections
        self._server = TcpServer(self._forward)
        self._flows = Flows(self._chosen, pool.holds, connections.datagrams)

    async def listen_at(self, sock: socket.socket) -> None:
        """Take connections, or datagrams, at one more socket."""
        if sock.type == socket.SOCK_DGRAM:
            await self._flows.listen_at(sock)
        else:
            await self._server.start(sock, self._tls)

    async def close(self) -> None:
        """Take no more, and end those that there are."""
        self._flows.close()
        await self._server.close()

    def _chosen(self, client: str) -> tuple[Group, Target] | None:
        arn = spread(weighted(self.listener.rules[-1].actions[0]), 0)
        group = self._pool.snapshot.groups.get(arn or "")
        if group is None:
            return None
        target = self._pool.next(group, source=client if by_source(group.sticky) else "")
        return (group, target) if target else None

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = self._chosen(str(writer.get_extra_info("peername")[0]))
        if chosen is None:
            return
        with self._pool.sending(*chosen):
            there, to = await self._connections.open(*chosen)
            try:
                await both_ways((reader, to), (there, writer))
            finally:
                to.close()
