"""What in the account is no longer as the stacks say: somebody changed it past CloudFormation."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from datavision.aws import checked_client
from datavision.config import Config
from datavision.infra.deploy import present_stacks
from datavision.infra.errors import InfraError
from datavision.infra.stacks import stack_names

PATIENCE_SECONDS = 900.0
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Drift:
    """One resource that differs."""

    stack: str
    resource: str
    kind: str
    state: str
    """`modified` or `deleted`."""
    differences: tuple[str, ...]
    """Each changed property: where, what the template says, what there is."""


def detect_drift(config: Config) -> list[Drift]:
    """Have CloudFormation compare every stack of the environment with the account, and return what differs.

    Resource types that CloudFormation cannot compare are not in it (its list: "Resource type support").

    Raises:
        InfraError: there is no stack, or a comparison failed or did not end in 15 minutes.
    """
    cloudformation = checked_client(config, "cloudformation")
    present = present_stacks(cloudformation)
    names = [name for name in stack_names(config) if name in present]
    if not names:
        raise InfraError(f"{config.env} has no stacks. Run `datavision infra deploy --env {config.env}` first.")
    begun = {name: _begin(cloudformation, name) for name in names}
    deadline = time.monotonic() + PATIENCE_SECONDS
    drifted = [name for name, detection in begun.items() if _ended_drifted(cloudformation, name, detection, deadline)]
    return [_drift(name, found) for name in drifted for found in _resources(cloudformation, name)]


def _begin(cloudformation: Any, name: str) -> str:
    try:
        return str(cloudformation.detect_stack_drift(StackName=name)["StackDriftDetectionId"])
    except ClientError as error:
        raise InfraError(
            f"CloudFormation does not compare {name} with the account: {error}. Try again later."
        ) from error


def _ended_drifted(cloudformation: Any, name: str, detection: str, deadline: float) -> bool:
    while True:
        answer = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] == "DETECTION_COMPLETE":
            return bool(answer["StackDriftStatus"] == "DRIFTED")
        if answer["DetectionStatus"] == "DETECTION_FAILED" or time.monotonic() > deadline:
            why = answer.get("DetectionStatusReason", "it did not end in time")
            raise InfraError(f"CloudFormation could not compare {name} with the account: {why}. Try again.")
        time.sleep(_PAUSE_SECONDS)


def _resources(cloudformation: Any, name: str) -> Iterator[Mapping[str, Any]]:
    request = {"StackName": name, "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    while True:
        answer = cloudformation.describe_stack_resource_drifts(**request)
        yield from answer["StackResourceDrifts"]
        if not answer.get("NextToken"):
            return
        request["NextToken"] = answer["NextToken"]


def _drift(stack: str, found: Mapping[str, Any]) -> Drift:
    differences = tuple(
        f"{item['PropertyPath']}: {item['ExpectedValue']} → {item['ActualValue']}"
        for item in found.get("PropertyDifferences", [])
    )
    return Drift(
        stack,
        found["LogicalResourceId"],
        found["ResourceType"],
        str(found["StackResourceDriftStatus"]).lower(),
        differences,
    )
