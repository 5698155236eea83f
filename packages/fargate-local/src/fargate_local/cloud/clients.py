"""boto3 clients that talk to moto without a socket in between."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.handlers import generate_idempotent_uuid

from fargate_local.cloud.requests import CloudRequest, CloudResponse

PLACEHOLDER = "fargate-local"


class RawBody:
    """What botocore expects under a response: chunks of bytes, or a file that is read once."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, *_: Any) -> bytes:
        """Return everything that has not been read yet."""
        content, self._content = self._content, b""
        return content

    def stream(self, **_: Any) -> Any:
        """Return the whole content as one chunk."""
        yield self._content


class CloudClients:
    """One boto3 client per service and region, created on first use."""

    def __init__(self, handle: Callable[[CloudRequest], CloudResponse]) -> None:
        """Have every request answered by `handle`."""
        self._handle = handle
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._session = boto3.Session(aws_access_key_id=PLACEHOLDER, aws_secret_access_key=PLACEHOLDER)

    def get(self, service: str, region: str) -> Any:
        """Return the client of a service."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._make(service, region)
            return self._clients[service, region]

    def _make(self, service: str, region: str) -> Any:
        client = self._session.client(
            service,
            region_name=region,
            endpoint_url="http://127.0.0.1",
            config=Config(retries={"max_attempts": 1}),
        )
        client.meta.events.register("before-send", self._send)
        named = {"Service": client.meta.service_model.service_id}
        client.meta.events.register("after-call", lambda parsed, **_: parsed["ResponseMetadata"].update(named))
        # A token by chance would become an identifier that a replay cannot repeat.
        client.meta.events.unregister("before-parameter-build", generate_idempotent_uuid)
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        split = urlsplit(request.url)
        target = split.path + (f"?{split.query}" if split.query else "")
        headers = {name.lower(): as_text(value) for name, value in request.headers.items()}
        body = request.body or b""
        response = self._handle(
            CloudRequest(request.method, target, headers, body.encode() if isinstance(body, str) else body)
        )
        return AWSResponse(request.url, response.code, HeadersDict(response.headers), RawBody(response.content))


def as_text(value: str | bytes) -> str:
    """Return a header's value as text."""
    return value.decode() if isinstance(value, bytes) else value
