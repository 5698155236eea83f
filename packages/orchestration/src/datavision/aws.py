"""boto3 clients of one environment, which are for that environment's account or not at all."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from datavision.config import Aws, Config
from datavision.errors import UserError
from datavision.state import embedded_credentials


class AccountError(UserError):
    """The credentials are for another account than the environment's."""


_RETRIES = ClientConfig(retries={"mode": "standard", "total_max_attempts": 6})


def client(config: Config, service: str) -> Any:
    """Return a boto3 client for `service` in the environment's region.

    On the embedded cloud (`aws.endpoint_url` is set) the credentials are its key, so that a user's own AWS profile is
    neither needed nor used by accident.

    Raises:
        AccountError: the credentials are for another account than `aws.account_id`.
    """
    check_account(config)
    return _client(config.aws, service)


def check_account(config: Config) -> str:
    """Return the account that the credentials are for; asked once per process and before any other call.

    Raises:
        AccountError: it is not the environment's.
    """
    found = _account(config.aws)
    if found != config.aws.account_id:
        raise AccountError(
            f"The credentials are for account {found}, config/{config.env}.toml says {config.aws.account_id}. "
            f"Nothing was done. Sign in to the account of {config.env}, or correct aws.account_id."
        )
    return found


@cache
def _account(aws: Aws) -> str:
    return str(_client(aws, "sts").get_caller_identity()["Account"])


def _client(aws: Aws, service: str) -> Any:
    key = {} if aws.endpoint_url is None else embedded_credentials(aws.endpoint_url)
    # A session of its own: boto3's default one keeps the first credentials that it found in the environment.
    session = boto3.Session(region_name=aws.region, **key)
    return session.client(service, endpoint_url=aws.endpoint_url, config=_RETRIES)
