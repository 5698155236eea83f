"""The request rates of the ECS API.

API reference, "Request throttling for the Amazon ECS API"; "AWS Fargate throttling quotas" (read November 2026):
DescribeTasks and ListTasks share a bucket of 100 that refills by 20 a second, RunTask and StopTask one of 100 and 40,
Fargate launches one of 100 and 20, RegisterTaskDefinition one of 1 and 1.
"""

from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.cloud import MakeCloud

from fargate_local.faults.buckets import TokenBuckets


class Hands:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> Any:
        return self.now


@pytest.mark.parametrize(
    ("action", "launches", "burst", "rate"),
    [
        ("DescribeTasks", 0, 100, 20),
        ("ListTasks", 0, 100, 20),
        ("StopTask", 0, 100, 40),
        ("RunTask", 1, 100, 20),
        ("RegisterTaskDefinition", 0, 1, 1),
    ],
)
def test_an_action_has_a_burst_and_a_rate(action: str, launches: Any, burst: Any, rate: Any) -> None:
    hands = Hands()
    buckets = TokenBuckets(hands)

    def granted(attempts: int) -> Any:
        return sum(buckets.take(action, launches) for _ in range(attempts))

    assert granted(burst + 50) == burst
    hands.now += 1
    assert granted(burst + 50) == min(rate, burst)


def test_describe_and_list_share_a_bucket() -> None:
    buckets = TokenBuckets(Hands())
    assert all(buckets.take("DescribeTasks") for _ in range(100))
    assert not buckets.take("ListTasks")
    assert buckets.take("StopTask")


def test_a_launch_of_ten_takes_ten_launches() -> None:
    buckets = TokenBuckets(Hands())
    assert sum(buckets.take("RunTask", 10) for _ in range(20)) == 10


def test_other_actions_are_not_limited() -> None:
    buckets = TokenBuckets(Hands())
    assert all(buckets.take("TagResource") for _ in range(1000))


def test_a_server_with_throttling_refuses_what_exceeds_the_rate(make_cloud: MakeCloud) -> None:
    ecs = make_cloud(throttle=True)
    config = Config(retries={"total_max_attempts": 1})
    api = botocore.session.Session().create_client("ecs", config=config, **ecs.cloud.client_args)
    outcomes = [outcome(api, ecs.cluster) for _ in range(300)]
    assert outcomes[:100] == ["granted"] * 100
    assert "ThrottlingException" in outcomes


def outcome(api: Any, cluster: str) -> str:
    """What becomes of one call."""
    try:
        api.list_tasks(cluster=cluster)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "granted"
