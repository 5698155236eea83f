"""Where pins are pushed to: the code host, and the repository that Airflow follows if that is another one.

A repository in S3 needs no way out of the VPC and no token. git reaches it by a program of its own, `git-remote-s3`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from datavision.aws import Cloud, check_account
from datavision.config import Config
from datavision.process_environment import ProcessEnvironment
from datavision.release.errors import ReleaseError
from datavision.release.pins.places import repository

FOLLOWED = "main"
"""The branch that Airflow's bundle follows (`tracking_ref` in infra/airflow.yaml)."""


def push_pins(config: Config, *tags: str) -> str:
    """Push the environment's pins, and `tags`; return where they went.

    Raises:
        ReleaseError: A repository refused; the text says which has them, and what to do.
    """
    repo = repository(config)
    pushed = repo.push(*tags)
    url = config.airflow.git_url
    if not config.airflow.code_bucket:
        return pushed
    check_account(config)
    try:
        repo.push_to(url, FOLLOWED, _variables(config))
    except ReleaseError as error:
        raise ReleaseError(
            f"{error} {pushed} has the pins, {url}, which Airflow follows, has not: run the same command again."
        ) from error
    return f"{pushed} and {url}"


def _variables(config: Config) -> Mapping[str, str]:
    """Return what git's helper, which is installed beside this program, needs to find and to reach S3.

    It takes boto3's region, which AWS_REGION does not set.
    """
    cloud, path = Cloud.of(config), ProcessEnvironment.current().path
    found = {"PATH": f"{Path(sys.executable).parent}:{path}", "AWS_DEFAULT_REGION": cloud.region}
    if cloud.endpoint_url:
        found["AWS_ENDPOINT_URL"] = cloud.endpoint_url
    return found | {name.upper(): value for name, value in cloud.key().items()}
