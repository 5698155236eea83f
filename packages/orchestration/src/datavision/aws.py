"""boto3 clients of one environment."""

from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from datavision.config import Config
from datavision.state import embedded_credentials

_RETRIES = ClientConfig(retries={"mode": "standard", "total_max_attempts": 6})


def client(config: Config, service: str) -> Any:
    """Return a boto3 client for `service` in the environment's region.

    On the embedded cloud (`aws.endpoint_url` is set) the credentials are its key, so that a user's own AWS profile is
    neither needed nor used by accident.
    """
    if config.aws.endpoint_url is None:
        return boto3.client(service, region_name=config.aws.region, config=_RETRIES)
    # Not boto3's default session: it keeps the first credentials it finds, and a process may meet more than one cloud.
    session = boto3.Session(region_name=config.aws.region, **embedded_credentials(config.aws.endpoint_url))
    return session.client(service, endpoint_url=config.aws.endpoint_url, config=_RETRIES)
