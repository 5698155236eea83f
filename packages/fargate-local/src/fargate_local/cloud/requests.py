"""An AWS request as data: read from a WSGI environment, stored in the journal, handed to moto again."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

READ_ACTION = re.compile(
    r"(Describe|Get|List|BatchGet|BatchCheck|Head|Search|Query|Scan|Filter|Lookup|Simulate|Validate|Estimate|Test|Check|Discover)"
)
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# STS issues credentials without changing what others see; log queries and comparisons of stacks only read; executions
# of state machines are run once, and not again by the journal.
VOLATILE = frozenset({"sts", "sso", "oidc", "moto-api"})
VOLATILE_ACTIONS = frozenset(
    {
        "StartQuery",
        "StopQuery",
        "StartLiveTail",
        "DetectStackDrift",
        "DetectStackResourceDrift",
        "StopExecution",
        "SendTaskFailure",
        "SendTaskHeartbeat",
        "SendTaskSuccess",
    }
)
# The journal needs what moto reads. The signature is derived from a secret, and the rest belongs to one connection.
DROPPED_HEADERS = frozenset(
    {"connection", "expect", "transfer-encoding", "content-length", "accept-encoding", "keep-alive", "te", "trailer"}
)
SIGNATURE = re.compile(r"(, *Signature=)[0-9a-f]+")
CREDENTIAL_SCOPE = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
SIGV4_QUERY_SCOPE = re.compile(r"X-Amz-Credential=[^&]+?%2F[^&]+?%2F([^&]+?)%2F([^&]+?)%2Faws4_request")


@dataclass(frozen=True, slots=True)
class CloudRequest:
    """One HTTP request to an AWS service.

    `target` is the path and query as sent; header names are lower case, except where a client used an underscore
    (S3 metadata), where the spelling matters to moto.
    """

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: int = field(default=0, compare=False)
    """The port of the client's end of the connection; 0 for what came by none."""

    @property
    def service(self) -> str:
        """The signing name of the service, for instance `s3`; `s3` too when the request is not signed."""
        if self.path.startswith("/moto-api"):
            return "moto-api"
        found = CREDENTIAL_SCOPE.search(self.headers.get("authorization", ""))
        if found:
            return found[3].lower()
        presigned = SIGV4_QUERY_SCOPE.search(self.target)
        return presigned[2].lower() if presigned else "s3"

    @property
    def region(self) -> str:
        """The region the request was signed for."""
        found = CREDENTIAL_SCOPE.search(self.headers.get("authorization", ""))
        return found[2] if found else "us-east-1"

    @property
    def path(self) -> str:
        """The path, percent-encoded as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters, blank ones included."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def action(self) -> str:
        """The operation's name for JSON and query protocols, `""` for REST."""
        named = self.headers.get("x-amz-target")
        if named:
            return named.rpartition(".")[2]
        if "Action" in self.query:
            return self.query["Action"][0]
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            found = re.search(rb"(?:^|&)Action=(\w+)", self.body)
            return found[1].decode() if found else ""
        return ""

    @property
    def changes_state(self) -> bool:
        """Return whether moto's state may differ after this request."""
        if self.service in VOLATILE:
            return False
        action = self.action
        if action:
            return not READ_ACTION.match(action) and action not in VOLATILE_ACTIONS
        if self.method == "POST" and "select" in self.query:
            return False
        return self.method not in READ_METHODS

    def storable_headers(self) -> dict[str, str]:
        """Return the headers worth keeping, without the signature."""
        kept = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED_HEADERS}
        if "authorization" in kept:
            kept["authorization"] = SIGNATURE.sub(r"\g<1>0", kept["authorization"])
        return kept

    def environ(self, address: str = "127.0.0.1") -> dict[str, Any]:
        """Return the WSGI environment of this request."""
        path, _, query = self.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": decoded_path(path),
            "QUERY_STRING": query,
            "RAW_URI": self.target,
            "REQUEST_URI": self.target,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": address,
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        preserved = {}
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if "_" in name:
                preserved[key] = name
            environ[key] = value
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
        environ.pop("HTTP_CONTENT_LENGTH", None)
        environ.setdefault("HTTP_HOST", "127.0.0.1")
        environ["moto.preserved_header_names"] = preserved
        return environ

    @classmethod
    def from_environ(cls, environ: dict[str, Any]) -> "CloudRequest":
        """Read the whole request, whatever its transfer encoding."""
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers.pop("transfer-encoding", None)
        for name, key in environ.get("moto.preserved_header_names", {}).items():
            headers.pop(name[5:].replace("_", "-").lower(), None)
            headers[key] = environ[name]
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        split = urlsplit(environ.get("REQUEST_URI") or environ["PATH_INFO"])
        target = split.path + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
        return cls(environ["REQUEST_METHOD"], target, headers, read_body(environ), int(environ.get("REMOTE_PORT") or 0))


class MalformedRequestError(ValueError):
    """The request is not valid HTTP: its length or its chunks make no sense."""


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the request's body, `b""` when it has none.

    Raises:
        MalformedRequestError: Its length or its chunks make no sense.
    """
    length = environ.get("CONTENT_LENGTH")
    if length and int(length) < 0:
        message = f"Content-Length is {length}; send the number of bytes of the body."
        raise MalformedRequestError(message)
    try:
        if length:
            body: bytes = environ["wsgi.input"].read(int(length))
            return body
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            chunked: bytes = environ["wsgi.input"].read()
            return chunked
    except ValueError as error:
        raise MalformedRequestError(str(error)) from error
    return b""


def decoded_path(path: str) -> str:
    """Return a percent-encoded path as WSGI expects it: decoded to bytes, carried in Latin-1."""
    return unquote_to_bytes(path).decode("latin-1")


@dataclass(frozen=True, slots=True)
class CloudResponse:
    """An application's answer to a `CloudRequest`."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.split(" ", 1)[0])

    @property
    def content(self) -> bytes:
        """The whole body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)
