"""The edge to AWS: boto3 and aiobotocore clients, from a connection or from the standard credential chain.

boto3 is imported inside the functions: DAG files import this package at parse time and need none of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from datavision.config import Config
from datavision.state import embedded_credentials

TIMEOUT_SECONDS = 20
"""Of one connect or read; ECS answers within a second or two."""


@dataclass(frozen=True)
class Cloud:
    """Where AWS is and who asks: region, endpoint (None: AWS itself) and Airflow connection (None: default chain)."""

    region: str
    endpoint_url: str | None = None
    aws_conn_id: str | None = None

    @classmethod
    def of(cls, config: Config, aws_conn_id: str | None = None) -> "Cloud":
        """Return the cloud of an environment."""
        return cls(config.aws.region, config.aws.endpoint_url, aws_conn_id)


def _botocore_options() -> dict[str, Any]:
    return {
        "connect_timeout": TIMEOUT_SECONDS,
        "read_timeout": TIMEOUT_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    }


@cache
def client(cloud: Cloud, service: str) -> Any:
    """Return the boto3 client of `service`, one per process."""
    import boto3
    from botocore.config import Config as BotoConfig

    options = BotoConfig(**_botocore_options())
    if cloud.aws_conn_id:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        session = AwsBaseHook(cloud.aws_conn_id, client_type=service).get_session(region_name=cloud.region)
    elif cloud.endpoint_url:
        # The embedded cloud's own key, so that the command line needs no AWS profile and uses none by accident.
        session = boto3.Session(region_name=cloud.region, **embedded_credentials(cloud.endpoint_url))
    else:
        session = boto3.Session(region_name=cloud.region)
    return session.client(service, endpoint_url=cloud.endpoint_url, config=options)


@asynccontextmanager
async def async_client(cloud: Cloud, service: str) -> AsyncIterator[Any]:
    """Open the aiobotocore client of `service`; credentials are looked up anew each time."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    if cloud.aws_conn_id:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from asgiref.sync import sync_to_async

        hook = AwsBaseHook(cloud.aws_conn_id, client_type=service)
        session = await sync_to_async(hook.get_session)(region_name=cloud.region, deferrable=True)
    else:
        session = get_session()
    options = AioConfig(max_pool_connections=50, **_botocore_options())
    key = {} if cloud.aws_conn_id or not cloud.endpoint_url else embedded_credentials(cloud.endpoint_url)
    async with session.create_client(
        service, region_name=cloud.region, endpoint_url=cloud.endpoint_url, config=options, **key
    ) as opened:
        yield opened
