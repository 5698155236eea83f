"""AWS clients: one factory for DAGs, operators and commands.

boto3 is imported inside the functions: DAG files import this module at parse time and need none of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from datavision.config import Config
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.state import embedded_credentials

TIMEOUT_SECONDS = 20
"""Of one connect or read; ECS answers within a second or two."""


class AccountError(UserError):
    """The credentials are for another account than the environment's."""


@dataclass(frozen=True)
class Cloud:
    """Where AWS is and which credentials to use.

    Region, endpoint (None: AWS itself) and Airflow connection (None: the default credential chain).
    """

    region: str
    endpoint_url: str | None = None
    aws_conn_id: str | None = None

    @classmethod
    def of(cls, config: Config, aws_conn_id: str | None = None) -> "Cloud":
        """Return the cloud of an environment."""
        return cls(config.aws.region, Environment(config).embedded_url, aws_conn_id)

    def key(self) -> dict[str, str]:
        """Return the embedded cloud's own key, so that no AWS profile is needed and none is used by accident.

        Empty where the connection or the standard chain (environment, profile, role) has the credentials.
        """
        return {} if self.aws_conn_id or not self.endpoint_url else embedded_credentials(self.endpoint_url)


def checked_client(config: Config, service: str) -> Any:
    """Return the boto3 client of `service` in the environment's account; commands use this one.

    Raises:
        AccountError: The credentials are for another account than `aws.account_id`.
    """
    check_account(config)
    return client(Cloud.of(config), service)


def visiting_client(place: Config, visitor: Config, service: str) -> Any:
    """Return the client of `service` where `place` is, with the credentials of `visitor`'s account.

    What it may do there, resource policies of the other account say.

    Raises:
        AccountError: the credentials are for another account than the visitor's.
    """
    check_account(visitor)
    return client(Cloud(place.aws.region, Environment(visitor).embedded_url), service)


def check_account(config: Config) -> str:
    """Return the account that the credentials belong to; asked once per process, before any other call.

    Raises:
        AccountError: It is not the environment's.
    """
    found = _account(Cloud.of(config))
    if found != config.aws.account_id:
        raise AccountError(
            f"The credentials are for account {found}, config/{config.env}.toml says {config.aws.account_id}. "
            f"Nothing was done. Sign in to the account of {config.env}, or correct aws.account_id."
        )
    return found


@cache
def _account(cloud: Cloud) -> str:
    return str(client(cloud, "sts").get_caller_identity()["Account"])


def client(cloud: Cloud, service: str) -> Any:
    """Return the boto3 client of `service`, one per process and key."""
    return _client(cloud, service, tuple(cloud.key().items()))


@cache
def _client(cloud: Cloud, service: str, key: tuple[tuple[str, str], ...]) -> Any:
    import boto3
    from botocore.config import Config as BotoConfig
    from botocore.session import get_session

    if cloud.aws_conn_id:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        session = AwsBaseHook(cloud.aws_conn_id, client_type=service).get_session(region_name=cloud.region)
    else:
        # A session of its own: boto3's default one keeps the first credentials that it found in the environment.
        core = get_session()
        core.register_component("data_loader", _loader())
        session = boto3.Session(region_name=cloud.region, botocore_session=core, **dict(key))
    return session.client(service, endpoint_url=cloud.endpoint_url, config=BotoConfig(**_options()))


def forget_clients() -> None:
    """Create every client anew on next use: an Airflow connection may have got other credentials."""
    _client.cache_clear()


@asynccontextmanager
async def async_client(cloud: Cloud, service: str) -> AsyncIterator[Any]:
    """Open the aiobotocore client of `service`; credentials are looked up each time."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    if cloud.aws_conn_id:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from asgiref.sync import sync_to_async

        hook = AwsBaseHook(cloud.aws_conn_id, client_type=service)
        session = await sync_to_async(hook.get_session)(region_name=cloud.region, deferrable=True)
    else:
        session = get_session()
    session.register_component("data_loader", _loader())
    options = AioConfig(max_pool_connections=50, **_options())
    async with session.create_client(
        service, region_name=cloud.region, endpoint_url=cloud.endpoint_url, config=options, **cloud.key()
    ) as opened:
        yield opened


@cache
def _loader() -> Any:
    """Return the reader of service models that all clients share: another reads anew, 0.16 s of the event loop."""
    from botocore.loaders import create_loader

    return create_loader()


def _options() -> dict[str, Any]:
    return {
        "connect_timeout": TIMEOUT_SECONDS,
        "read_timeout": TIMEOUT_SECONDS,
        # Three attempts bridge a second or two; AWS_MAX_ATTEMPTS sets another number. Longer waits belong above, where
        # they are counted and logged: in the launch budget, the poll loop and the registration of task definitions.
        "retries": {"mode": "standard"},
    }
