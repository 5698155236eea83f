"""The quotas of an account on a strict server."""

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.strict_cloud import Account

from fargate_local import FargateLocal

# AWS General Reference, "Amazon ECS endpoints and quotas": 6 vCPUs each of On-Demand and Spot; the words are ECS's in
# RunTask's failures (flightcontrol.dev, "ECS Concurrent vCPU Limit").
REASON = (
    "You've reached the limit on the number of vCPUs you can run concurrently. For more information, see the"
    " Troubleshooting section of the Amazon ECS Developer Guide."
)


@pytest.fixture(scope="module")
def new_account() -> Iterator[Account]:
    with FargateLocal(strict=True) as cloud:
        yield Account(cloud)


def test_a_new_account_runs_six_vcpus_on_demand_and_as_many_on_spot(new_account: Account) -> None:
    ecs = new_account.client("ecs")
    definition = new_account.define(["sleep", "300"], cpu_of_task="2048")
    run = new_account.request(definition, count=5)
    answer = ecs.run_task(**run)
    assert len(answer["tasks"]) == 3
    assert answer["failures"] == [{"reason": REASON}] * 2
    assert ecs.run_task(**run)["failures"] == [{"reason": REASON}] * 5
    spot = {name: value for name, value in run.items() if name != "launchType"}
    spot["capacityProviderStrategy"] = [{"capacityProvider": "FARGATE_SPOT"}]
    assert len(ecs.run_task(**spot)["tasks"]) == 3
    first = answer["tasks"][0]["taskArn"]
    ecs.stop_task(cluster="tests", task=first)
    new_account.stopped(first)
    assert len(ecs.run_task(**run)["tasks"]) == 1


# API reference, "Request throttling for the Amazon ECS API": RegisterTaskDefinition has one token, and one a second.
def test_request_rates_are_awss(new_account: Account) -> None:
    once = Config(retries={"max_attempts": 0})
    ecs = boto3.client("ecs", config=once, **new_account.cloud.client_args)
    request = {"family": "fast", "containerDefinitions": [{"name": "a", "image": "host", "memory": 128}]}

    def register_twice() -> None:
        for _ in range(2):
            ecs.register_task_definition(requiresCompatibilities=["EC2"], **request)

    with pytest.raises(ClientError) as caught:
        register_twice()
    assert caught.value.response["Error"] == {"Message": "Rate exceeded", "Code": "ThrottlingException"}
