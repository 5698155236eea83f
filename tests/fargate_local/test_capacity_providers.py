"""Which capacity provider a task runs on.

API reference, CapacityProviderStrategyItem; the refusals in dask/dask-cloudprovider issue 328 and in the rules of
badmintoncryer/cdk-preflight (pf-ecs-svc-capacity-provider-*).
"""

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs


@pytest.fixture(scope="module")
def family(ecs: Ecs) -> str:
    return ecs.define({"command": ["true"]})


def strategy(**shares: Any) -> list[Any]:
    return [{"capacityProvider": name, **share} for name, share in shares.items()]


def run(ecs: Ecs, family: str, wanted: Any, **parameters: Any) -> Any:
    request = ecs.request(family, launchType=None, capacityProviderStrategy=wanted, **parameters)
    tasks = ecs.api.run_task(**request)["tasks"]
    return Counter(task["capacityProviderName"] for task in tasks)


def test_the_base_comes_first_and_the_weights_share_out_the_rest(ecs: Ecs, family: str) -> None:
    wanted = strategy(FARGATE={"base": 2, "weight": 1}, FARGATE_SPOT={"weight": 3})
    assert run(ecs, family, wanted, count=10) == {"FARGATE": 4, "FARGATE_SPOT": 6}


def test_weights_hold_over_many_requests_of_one_task(ecs: Ecs, family: str) -> None:
    wanted = strategy(FARGATE={"weight": 1}, FARGATE_SPOT={"weight": 4})
    assert sum((run(ecs, family, wanted) for _ in range(10)), Counter()) == {"FARGATE": 2, "FARGATE_SPOT": 8}


def test_a_provider_of_weight_zero_gets_no_task_beyond_the_base(ecs: Ecs, family: str) -> None:
    wanted = strategy(FARGATE={"base": 1, "weight": 0}, FARGATE_SPOT={"weight": 1})
    assert run(ecs, family, wanted, count=4) == {"FARGATE": 1, "FARGATE_SPOT": 3}


def test_the_clusters_strategy_holds_where_the_request_has_none(ecs: Ecs, family: str) -> None:
    ecs.api.create_cluster(
        clusterName="spot",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=strategy(FARGATE_SPOT={"weight": 1}),
    )
    assert run(ecs, family, None, cluster="spot") == {"FARGATE_SPOT": 1}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (strategy(FARGATE={"base": 1, "weight": 1}, FARGATE_SPOT={"base": 1}), "There are multiple capacity providers"),
        (strategy(FARGATE={}, FARGATE_SPOT={}), "There are no capacity providers in the capacity provider strategy"),
        (strategy(FARGATE={"weight": 1001}), "must be between 0 and 1000"),
        (strategy(MOON={"weight": 1}), "The specified capacity provider 'MOON' was not found."),
    ],
)
def test_a_strategy_that_makes_no_sense_is_refused(ecs: Ecs, family: str, wanted: Any, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        run(ecs, family, wanted)


def test_a_provider_that_the_cluster_is_not_associated_with_is_refused(ecs: Ecs, family: str) -> None:
    ecs.api.create_cluster(clusterName="bare")
    with pytest.raises(ClientError) as caught:
        run(ecs, family, strategy(FARGATE_SPOT={"weight": 1}), cluster="bare")
    assert caught.value.response["Error"] == {
        "Code": "InvalidParameterException",
        "Message": (
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with"
            " the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and"
            " try again."
        ),
    }
