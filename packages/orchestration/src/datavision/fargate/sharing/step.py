"""A step of a shared container in the shape of an ECS task of its own, so that everything else treats both alike."""

from collections.abc import Mapping
from typing import Any

from datavision import exit_codes
from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.outcome.results import BadDelivery, Delivered

_OURS = tuple(reason.value for reason in StopReason)


def as_task(container: Mapping[str, Any] | None, delivered: Delivered, module: str) -> dict[str, Any] | None:
    """Return the step as `condensed` returns a task, or None when ECS forgot its container and it left nothing.

    Args:
        container: The shared container's task, condensed; read before `delivered`, or a report that came between would
            be overlooked.
        delivered: What the step reported.
        module: The container's name.

    Returns:
        STOPPED once there is a report, whatever became of the container; and when the container has stopped without
        one, for the container's reasons and without an exit code, since the step did not end by itself.
    """
    known = container or {}
    if delivered is None:
        if known.get("lastStatus") != "STOPPED":
            return dict(known) or None
        inside = [{k: v for k, v in item.items() if k != "exitCode"} for item in known["containers"]]
        return {**known, "containers": inside}
    digest = next((item.get("imageDigest") for item in known.get("containers", ()) if item["name"] == module), None)
    code, measured = exit_codes.FAILURE, {}
    if isinstance(delivered, BadDelivery):
        reason = delivered.problem
    else:
        code, reason = delivered.exit_code, delivered.ended_by or ""
        measured = {
            "startedAt": delivered.started_at.timestamp(),
            "stoppedAt": delivered.finished_at.timestamp(),
            "billedSeconds": delivered.billed_seconds,
        }
    return {
        "taskArn": known.get("taskArn", ""),
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "UserInitiated" if reason.startswith(_OURS) else "EssentialContainerExited",
        "stoppedReason": reason,
        "containers": [{"name": module, "exitCode": code, **({"imageDigest": digest} if digest else {})}],
        **measured,
    }
