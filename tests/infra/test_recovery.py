"""What `datavision infra deploy` makes of stacks that are in progress, or that failed. moto has no such stacks."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from datavision.config import load
from datavision.infra import airflow_image
from datavision.infra.cloudformation import StackEdge
from datavision.infra.errors import InfraError


class Scripted:
    """A CloudFormation whose one stack goes through given states, one per look, and keeps the last."""

    image = "registry/airflow@sha256:before"

    def __init__(
        self, *states: str | None, events: tuple[dict[str, str], ...] = (), failures: tuple[dict[str, str], ...] = ()
    ) -> None:
        """`failures` are the events of an update."""
        self._states = list(states)
        self.events = list(events)
        self.failures = list(failures)
        self.calls: list[str] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if state is None:
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": f"Stack {StackName} does not exist"}}, "DescribeStacks"
            )
        parameters = [{"ParameterKey": "Image", "ParameterValue": self.image}]
        return {"Stacks": [{"StackName": StackName, "StackStatus": state, "Parameters": parameters}]}

    def update_stack(self, StackName: str, Parameters: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803 - as boto3 has it
        self.calls.append(f"update {StackName} to {Parameters[-1]['ParameterValue']}")
        self.events += self.failures

    def delete_stack(self, StackName: str) -> None:  # noqa: N803 - as boto3 has it
        self.calls.append("delete")

    def continue_update_rollback(self, StackName: str) -> None:  # noqa: N803 - as boto3 has it
        self.calls.append("continue")

    def get_paginator(self, _: str) -> "Scripted":
        return self

    def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - as boto3 has it
        yield {"StackEvents": self.events}


def event(number: int, name: str, reason: str, status: str = "CREATE_FAILED", kind: str = "RDS::DBInstance") -> Any:
    return {
        "EventId": str(number),
        "LogicalResourceId": name,
        "ResourceType": f"AWS::{kind}",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def recover(cloudformation: Scripted) -> str | None:
    stack = StackEdge(cloudformation, "datavision-dev-storage", lambda _: None).recover()
    return stack["StackStatus"] if stack else None


@pytest.mark.parametrize("state", ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_what_is_in_progress_is_waited_for(state: str) -> None:
    assert recover(Scripted(state, state, "UPDATE_COMPLETE")) == "UPDATE_COMPLETE"


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"])
def test_what_a_failed_attempt_left_is_deleted_so_that_it_can_be_made_again(state: str) -> None:
    cloudformation = Scripted(state, "DELETE_IN_PROGRESS", None)
    assert recover(cloudformation) is None
    assert cloudformation.calls == ["delete"]


def test_a_stack_that_cannot_be_deleted_says_which_resource_stands_in_the_way() -> None:
    full = event(1, "RawBucket", "The bucket is not empty", "DELETE_FAILED", "S3::Bucket")
    with pytest.raises(InfraError, match=r"RawBucket \(AWS::S3::Bucket\): The bucket is not empty"):
        recover(Scripted("DELETE_FAILED", "DELETE_FAILED", events=(full,)))


def test_a_rollback_that_failed_is_finished() -> None:
    cloudformation = Scripted("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    assert recover(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloudformation.calls == ["continue"]


def test_a_whole_stack_and_no_stack_are_left_alone() -> None:
    for state in ("CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", None):
        cloudformation = Scripted(state)
        assert recover(cloudformation) == state
        assert cloudformation.calls == []


def test_the_failure_is_the_first_cause_of_this_attempt_and_not_what_followed_from_it() -> None:
    cloudformation = Scripted("CREATE_FAILED", events=(event(1, "Old", "last week's"),))
    edge = StackEdge(cloudformation, "datavision-dev-database", lambda _: None)
    edge.mark()
    cloudformation.events[:0] = [
        event(4, "Later", "also wrong"),
        event(3, "Other", "Resource creation cancelled"),
        event(2, "Database", "Cannot find version 18"),
    ]
    assert edge.failure() == "Database (AWS::RDS::DBInstance): Cannot find version 18"


def test_services_that_went_back_to_the_image_before_are_told_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = event(1, "SchedulerService", "ECS Deployment Circuit Breaker was triggered", "UPDATE_FAILED", "ECS::Service")
    cloudformation = Scripted(
        "UPDATE_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        failures=(gone,),
    )
    monkeypatch.setattr(airflow_image, "checked_client", lambda *_: cloudformation)
    monkeypatch.setattr(airflow_image, "airflow_image", lambda _: "registry/airflow@sha256:after")
    with pytest.raises(
        InfraError, match=r"back on the image before.*Circuit Breaker.*datavision rollback airflow --env dev"
    ):
        airflow_image.move_airflow(load("dev"), report=lambda _: None)
    assert cloudformation.calls == ["update datavision-dev-bootstrap to registry/airflow@sha256:after"]
