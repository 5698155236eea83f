"""The HTTP server: cheroot, bound to one address, keep-alive, a fixed pool of threads."""

import errno
import threading
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import wsgi

from fargate_local.faults.api import ResponseLostError

THREADS = 40
BACKLOG = 1024
META = "x-amz-meta-"

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class HttpServer:
    """Serves a WSGI application until closed."""

    def __init__(self, host: str, port: int) -> None:
        self._server = wsgi.Server((host, port), self._not_ready, numthreads=THREADS, request_queue_size=BACKLOG)
        self._server.gateway = AwsGateway
        self._server.server_name = "fargate-local"
        self._server.timeout = 300
        self._server.shutdown_timeout = 1
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)

    @property
    def address(self) -> str:
        """`http://host:port`, with the port that was really bound."""
        host, port = self._server.bind_addr[:2]
        return f"http://{host}:{port}"

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

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override] # the stub of the base class says None
        """Return the environment, with the names of S3 metadata that contain an underscore."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call] # cheroot has few types
        names = (name.decode("latin-1").lower() for name in self.req.inheaders)
        environ["moto.preserved_header_names"] = {
            "HTTP_" + name.upper().replace("-", "_"): name for name in names if "_" in name and name.startswith(META)
        }
        return environ
