"""ARNs of other regions and accounts, and lists by several filters.

Messages: aws/aws-cli issue 3175 (region), aws-actions/amazon-ecs-deploy-task-definition issue 261 (account),
boto/boto3 issue 874 and aws/aws-sdk-go-v2 issue 1893 (filters), turbot/steampipe-plugin-aws issue 1415 (service),
boto/boto3 issue 3173 (execute command), GetSimpl/cloudlift pull request 138 (placement).
"""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs

REGION = "Invalid Region in ARN"
ACCOUNT = "Identifier is for 999999999999. Your accountId is 123456789012"


@pytest.fixture(scope="module")
def family(ecs: Ecs) -> str:
    return ecs.define({"command": ["true"]})


def refusal(call: Callable[..., Any], **request: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("place", "message"), [("eu-west-1:123456789012", REGION), ("us-east-1:999999999999", ACCOUNT)]
)
def test_arns_of_another_region_or_account_are_refused(ecs: Ecs, family: str, place: Any, message: str) -> None:
    arn = f"arn:aws:ecs:{place}:"
    ecs_api = ecs.api
    calls = [
        (ecs_api.run_task, ecs.request(family, cluster=f"{arn}cluster/{ecs.cluster}")),
        (ecs_api.run_task, ecs.request(f"{arn}task-definition/{family}:1")),
        (ecs_api.describe_tasks, {"cluster": ecs.cluster, "tasks": [f"{arn}task/{ecs.cluster}/abc"]}),
        (ecs_api.describe_tasks, {"cluster": f"{arn}cluster/{ecs.cluster}", "tasks": ["abc"]}),
        (ecs_api.stop_task, {"cluster": ecs.cluster, "task": f"{arn}task/{ecs.cluster}/abc"}),
        (ecs_api.list_tasks, {"cluster": f"{arn}cluster/{ecs.cluster}"}),
    ]
    assert [refusal(call, **request) for call, request in calls] == [("InvalidParameterException", message)] * 6


@pytest.mark.parametrize(
    ("filters", "refused"),
    [
        ({"startedBy": "me", "family": "f"}, "startedBy"),
        ({"startedBy": "me", "launchType": "FARGATE"}, "startedBy"),
        ({"serviceName": "s", "family": "f"}, "serviceName"),
        ({"serviceName": "s", "containerInstance": "i"}, "serviceName"),
    ],
)
def test_filters_that_go_with_no_other_are_refused_together(ecs: Ecs, filters: dict[str, str], refused: Any) -> None:
    assert refusal(ecs.api.list_tasks, cluster=ecs.cluster, **filters) == (
        "InvalidParameterException",
        f"cannot specify {refused} with other arguments",
    )


def test_tasks_of_a_service_that_does_not_exist_are_not_listed_as_none(ecs: Ecs) -> None:
    assert refusal(ecs.api.list_tasks, cluster=ecs.cluster, serviceName="nobody") == (
        "ServiceNotFoundException",
        "Service not found.",
    )


def test_tasks_of_a_service_are_those_of_its_group(ecs: Ecs, family: str) -> None:
    ecs.api.create_service(
        cluster=ecs.cluster,
        serviceName="web",
        taskDefinition=family,
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=ecs.network,
    )
    assert ecs.api.list_tasks(cluster=ecs.cluster, serviceName="web")["taskArns"] == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"enableExecuteCommand": True},
            "The execute command failed because a valid task role is not being used. Specify a valid task role in your"
            " task definition or as a task override and try again.",
        ),
        (
            {"placementConstraints": [{"type": "distinctInstance"}]},
            "Placement constraints are not supported with FARGATE launch type.",
        ),
        (
            {"placementStrategy": [{"type": "random"}]},
            "Placement strategies are not supported with FARGATE launch type.",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "memory": 1024}]}},
            "The 'memory' setting for container 'app' is greater than for the task.",
        ),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]},
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ),
    ],
)
def test_what_fargate_cannot_run_is_refused(ecs: Ecs, family: str, parameters: Any, message: str) -> None:
    refused = refusal(ecs.api.run_task, **ecs.request(family, **parameters))
    assert refused == ("InvalidParameterException", message)
