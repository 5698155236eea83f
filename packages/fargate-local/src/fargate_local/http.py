"""The HTTP server: cheroot, bound to one address, keep-alive, and threads for those only who are being answered.

cheroot gives each new connection to a thread that waits for its first byte, and reads a request as long as the sender
likes; a few dozen silent or slow senders then keep everybody else out. Here a connection that says nothing holds no
thread, a request must be sent without long pauses, and while all threads are busy there are more of them.
"""

# cheroot's types leave out what its classes keep to themselves, and some of the rest.
# mypy: disable-error-code="attr-defined, misc, has-type, assignment, no-untyped-call, override"

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import wsgi
from cheroot.connections import ConnectionManager
from cheroot.makefile import MakeFile, StreamReader
from cheroot.server import HTTPConnection
from cheroot.workers.threadpool import ThreadPool

from fargate_local.faults.api import ResponseLostError

THREADS = 40
MOST_THREADS = 400
MOST_CONNECTIONS = 600
"""Kept open without a request; beyond that the one that has been silent for longest is closed."""
BACKLOG = 1024
SILENT_SECONDS = 300
"""How long a connection stays open without a request, and a sender waits for a reader."""
PAUSE_SECONDS = 20.0
"""How long a sender may pause within a request; S3 waits as long."""
HEAD_SECONDS = 30.0
"""How long the head of a request may take altogether."""
META = "x-amz-meta-"
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - what others bind

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class HttpServer:
    """Serves a WSGI application until closed."""

    def __init__(self, host: str, port: int) -> None:
        self._server = Server((host, port), self._not_ready, request_queue_size=BACKLOG)
        self._server.gateway = AwsGateway
        self._server.server_name = "fargate-local"
        self._server.timeout = SILENT_SECONDS
        self._server.shutdown_timeout = 1
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)

    @property
    def address(self) -> str:
        """`http://host:port`, with the port that was really bound, and this machine where all addresses were."""
        host, port = self._server.bind_addr[:2]
        named = "127.0.0.1" if host in ALL_ADDRESSES else host
        return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"

    @property
    def port(self) -> int:
        """The port that was really bound."""
        port: int = self._server.bind_addr[1]
        return port

    def serve(self, app: WsgiApp) -> None:
        """Start answering, in a thread."""
        self._server.wsgi_app = droppable(app)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join()

    @staticmethod
    def _not_ready(_: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        return []


class Server(wsgi.Server):
    """cheroot's server with the connections and the threads of this module."""

    max_request_header_size = 64 * 1024
    keep_alive_conn_limit = None

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.requests = GrowingPool(self, min=THREADS, max=MOST_THREADS)
        self.ConnectionClass = Connection

    def prepare(self) -> None:
        """Bind the address."""
        super().prepare()
        self._connections.close()
        self._connections = Connections(self)


class Connections(ConnectionManager):
    """Those that have nothing to say wait here, not in a thread: also the ones that never said anything."""

    def _from_server_socket(self, server_socket: socket.socket) -> None:
        connection = super()._from_server_socket(server_socket)
        if connection is not None:
            self.put(connection)
            self._make_room()

    def _make_room(self) -> None:
        if self._num_connections > MOST_CONNECTIONS:
            silent = [pair for pair in self._selector.connections if pair[1] is not self.server]
            number, connection = min(silent, key=lambda pair: pair[1].last_used)
            self._selector.unregister(number)
            connection.close()


class GrowingPool(ThreadPool):
    """One more thread whenever all are busy: with senders that pause, with a client that waits for messages."""

    def put(self, connection: Any) -> None:
        """Queue a connection that has something to say."""
        if self.idle <= self._queue.qsize() and len(self._threads) < self.max:
            self._threads.append(self._spawn_worker())
        super().put(connection)


class Connection(HTTPConnection):
    """A connection whose requests must arrive without long pauses, and their heads in time."""

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = MakeFile) -> None:
        super().__init__(server, sock, makefile)
        self.rfile = Reader(sock)

    def communicate(self) -> bool:
        """Answer one request; whether the connection stays open."""
        self.rfile.raw.head_until = time.monotonic() + HEAD_SECONDS
        keep: bool = super().communicate()
        return keep


class Reader(StreamReader):
    """cheroot's reader of a socket, with the patience of `Incoming`."""

    def __init__(self, sock: socket.socket) -> None:
        # Past the class above, which would make a plain SocketIO.
        super(StreamReader, self).__init__(Incoming(sock, "rb"))
        self.bytes_read = 0


class Incoming(socket.SocketIO):
    """The bytes of a socket, none of which may keep its reader waiting for long."""

    head_until: float | None = None

    def __init__(self, sock: socket.socket, mode: Any) -> None:
        super().__init__(sock, mode)
        self._socket = sock

    def readinto(self, buffer: Any) -> int | None:
        """Read what there is. Raises TimeoutError, which cheroot answers with 408."""
        patience = PAUSE_SECONDS
        if self.head_until is not None:
            patience = min(patience, max(self.head_until - time.monotonic(), 0.001))
        self._socket.settimeout(patience)
        try:
            return super().readinto(buffer)
        finally:
            # Whoever reads an answer slowly may do so.
            self._socket.settimeout(SILENT_SECONDS)


def droppable(app: WsgiApp) -> WsgiApp:
    """Wrap an application so that ResponseLostError closes the connection without an answer."""

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except ResponseLostError:
            # cheroot takes a reset for the client's, closes the connection and writes nothing.
            raise ConnectionResetError(errno.ECONNRESET, "response lost by a fault rule") from None

    return call


class AwsGateway(wsgi.Gateway_10):
    """WSGI cannot tell `x-amz-meta-a_b` from `x-amz-meta-a-b`: moto gets the names as they were sent."""

    def get_environ(self) -> dict[str, Any]:
        """Return the environment, with the names of S3 metadata that contain an underscore."""
        self.req.conn.rfile.raw.head_until = None
        environ: dict[str, Any] = super().get_environ()
        names = (name.decode("latin-1").lower() for name in self.req.inheaders)
        environ["moto.preserved_header_names"] = {
            "HTTP_" + name.upper().replace("-", "_"): name for name in names if "_" in name and name.startswith(META)
        }
        return environ
