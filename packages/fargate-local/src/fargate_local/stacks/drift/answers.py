"""CloudFormation's calls about drift."""

from collections.abc import Callable, Mapping
from typing import Any

from fargate_local.stacks.drift.access_readings import ACCESS_READINGS
from fargate_local.stacks.drift.compute_readings import Service, compute_readings
from fargate_local.stacks.drift.detection import COMPARABLE, Detection, Detector
from fargate_local.stacks.drift.message_readings import MESSAGE_READINGS
from fargate_local.stacks.drift.network_readings import NETWORK_READINGS
from fargate_local.stacks.drift.storage_readings import STORAGE_READINGS
from fargate_local.stacks.events import resources

Client = Callable[[str, str], Any]
NEVER = {"StackDriftStatus": "NOT_CHECKED"}
REMEMBERED = 9
"""How many comparisons of a stack are kept besides the last one."""


def detector(client: Client, describe_service: Service) -> Detector:
    """Return what compares every type that can be."""
    constant = {**NETWORK_READINGS, **ACCESS_READINGS, **STORAGE_READINGS, **MESSAGE_READINGS}
    return Detector(client, {**constant, **compute_readings(describe_service)})


def answer_about_drift(detector: Detector) -> None:
    """Let moto's CloudFormation compare stacks with what there is."""
    from moto.cloudformation.models import Stack
    from moto.cloudformation.responses import CloudFormationResponse

    def detect_stack_drift(self: Any) -> Any:
        return detect(self, detector)

    def detect_stack_resource_drift(self: Any) -> Any:
        return detect_one(self, detector)

    for name, action in (
        ("detect_stack_drift", detect_stack_drift),
        ("detect_stack_resource_drift", detect_stack_resource_drift),
        ("describe_stack_drift_detection_status", describe_status),
        ("describe_stack_resource_drifts", describe_resources),
    ):
        setattr(CloudFormationResponse, name, action)
    Stack.detections = ()  # type: ignore[attr-defined] # not one of moto's
    setattr(Stack, "drift_information", property(drift_of_stack))  # noqa: B010 - not one of moto's


def detect(request: Any, detector: Detector) -> Any:
    """Compare a stack."""
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow
    from moto.moto_api._internal import mock_random

    stack, backend = comparable(request), request.cloudformation_backend
    ident = str(mock_random.uuid4())
    detection = detector.of_stack(stack, ident, utcnow(), backend.stacks.values())
    stack.detections = (*stack.detections[-REMEMBERED:], detection)
    return ActionResult({"StackDriftDetectionId": ident})


def detect_one(request: Any, detector: Detector) -> Any:
    """Compare one resource of a stack.

    Raises:
        ValidationError: The stack has no such resource.
    """
    from moto.cloudformation.exceptions import ValidationError
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow

    stack, name = comparable(request), request._get_param("LogicalResourceId")
    resource = resources(stack).get(name)
    if resource is None:
        message = f"Resource {name} does not exist for stack {stack.name}"
        raise ValidationError(message=message)
    everywhere = [
        each for other in request.cloudformation_backend.stacks.values() for each in resources(other).values()
    ]
    drift = detector.of_resource(stack, resource, utcnow(), everywhere)
    return ActionResult({"StackResourceDrift": drift.shown(stack.stack_id)})


def comparable(request: Any) -> Any:
    """Return the stack of a request.

    Raises:
        ValidationError: There is none, or it is in the middle of something.
    """
    from moto.cloudformation.exceptions import ValidationError

    stack = request.cloudformation_backend.get_stack(request._get_param("StackName"))
    if stack.status not in COMPARABLE:
        message = f"Drift detection cannot be performed on stack [{stack.name}] in {stack.status} state"
        raise ValidationError(message=message)
    return stack


def describe_status(request: Any) -> Any:
    """Answer DescribeStackDriftDetectionStatus.

    Raises:
        ValidationError: There was no such comparison.
    """
    from moto.cloudformation.exceptions import ValidationError
    from moto.core.responses import ActionResult

    ident = request._get_param("StackDriftDetectionId")
    for stack in request.cloudformation_backend.stacks.values():
        for detection in stack.detections:
            if detection.ident == ident:
                return ActionResult(status_of(stack, detection))
    message = f"Drift detection status for {ident} does not exist"
    raise ValidationError(message=message)


def status_of(stack: Any, detection: Detection) -> Mapping[str, Any]:
    """Return how a comparison ended."""
    problems = detection.problems
    said = "; ".join(f"Failed to detect drift on resource [{name}]: {why}" for name, why in problems.items())
    return {
        "StackId": stack.stack_id,
        "StackDriftDetectionId": detection.ident,
        "StackDriftStatus": detection.status,
        "DetectionStatus": "DETECTION_FAILED" if problems else "DETECTION_COMPLETE",
        "DriftedStackResourceCount": detection.drifted,
        "Timestamp": detection.checked_at,
        **({"DetectionStatusReason": said} if problems else {}),
    }


def describe_resources(request: Any) -> Any:
    """Answer DescribeStackResourceDrifts from a stack's last comparison: all at once, but what was not checked."""
    from moto.core.responses import ActionResult

    stack = request.cloudformation_backend.get_stack(request._get_param("StackName"))
    wanted = request._get_param("StackResourceDriftStatusFilters", [])
    found = stack.detections[-1].found if stack.detections else ()
    checked = [each for each in found if each.status != "NOT_CHECKED"]
    shown = [each.shown(stack.stack_id) for each in checked if not wanted or each.status in wanted]
    return ActionResult({"StackResourceDrifts": shown})


def drift_of_stack(stack: Any) -> Mapping[str, Any]:
    """Return what DescribeStacks says of drift."""
    if not stack.detections:
        return NEVER
    last = stack.detections[-1]
    return {"StackDriftStatus": last.status, "LastCheckTimestamp": last.checked_at}


def drift_of_resource(stack: Any, logical_id: str) -> Mapping[str, Any]:
    """Return what DescribeStackResources says of one's drift."""
    for each in stack.detections[-1].found if stack.detections else ():
        if each.resource.logical_id == logical_id and each.status != "NOT_CHECKED":
            return {"StackResourceDriftStatus": each.status, "LastCheckTimestamp": each.checked_at}
    return {"StackResourceDriftStatus": "NOT_CHECKED"}
