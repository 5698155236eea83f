"""boto3 clients of a running server."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from fargate_local.cli.output import UserError
from fargate_local.keys import ServerKey, shared_key_file
from fargate_local.process_environment import ProcessEnvironment

DEFAULT_URL = "http://127.0.0.1:5555"
WRONG_KEY = ("UnrecognizedClientException", "InvalidSignatureException")


def client(service: str, url: str, region: str) -> Any:
    """Return a boto3 client; use it inside `asking`, which turns its errors into UserError."""
    return boto3.client(
        service,
        **key_for(url).client_args(region),
        config=Config(retries={"max_attempts": 1}, connect_timeout=3),
    )


def key_for(url: str, process: ProcessEnvironment | None = None) -> ServerKey:
    """Return the key of a server: what it left for its owner, or else the credentials of the environment."""
    process = process or ProcessEnvironment.current()
    kept = ServerKey.read(shared_key_file(url, process))
    if kept is None:
        kept = ServerKey(process.access_key_id, process.secret_access_key)
    return kept.at(url)


class asking:  # noqa: N801 - reads as a phrase: with asking(url)
    """Turn errors from the server into sentences for the user."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        if not self._url.startswith(("http://", "https://")):
            message = f"{self._url!r} is not a server address: write --url {DEFAULT_URL}, as `serve` printed it"
            raise UserError(message)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EndpointConnectionError | OSError):
            message = f"no server answers at {self._url}: start one with `fargate-local serve`, or pass another --url"
            raise UserError(message) from error
        if isinstance(error, BotoCoreError | ValueError):
            message = f"{str(error).rstrip('.')}: correct --url {self._url!r} or --region"
            raise UserError(message) from error
        if isinstance(error, ClientError):
            detail = error.response["Error"]
            message = f"{detail['Code']}: {detail['Message']}"
            if detail["Code"] in WRONG_KEY:
                message += f" The server at {self._url} has another key: use the one it was started with."
            raise UserError(message) from error
