"""boto3 clients of a running server."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from fargate_local.cli.output import UserError

DEFAULT_URL = "http://127.0.0.1:5555"


def client(service: str, url: str, region: str) -> Any:
    """A client; its calls raise UserError through :func:`asking`."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="fargate-local",
        aws_secret_access_key="fargate-local",  # noqa: S106 - the server takes any
        config=Config(retries={"max_attempts": 1}, connect_timeout=3),
    )


class asking:  # noqa: N801 - reads as a phrase: with asking(url)
    """Turns what goes wrong with the server into sentences for the user."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EndpointConnectionError | OSError):
            message = (
                f"no server answers at {self._url}: start one with `fargate-local serve`, or name another with --url"
            )
            raise UserError(message) from error
        if isinstance(error, ClientError):
            detail = error.response["Error"]
            message = f"{detail['Code']}: {detail['Message']}"
            raise UserError(message) from error
