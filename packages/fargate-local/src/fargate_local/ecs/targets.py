"""An ECS target of EventBridge or Scheduler as the RunTask request that it stands for.

API references: EventBridge `Target` and `EcsParameters`, Scheduler `Target` and `EcsParameters`; Scheduler's
user guide, "Using universal targets" (read November 2026).
"""

import json
from typing import Any, Final

from fargate_local.cloud.event_rules import Invocation
from fargate_local.protocol.errors import InvalidParameterError
from fargate_local.protocol.shapes import fitted, input_shape

UNIVERSAL: Final = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
STARTED_BY_LENGTH: Final = 36
RENAMED: Final = {"TaskDefinitionArn": "taskDefinition", "TaskCount": "count", "TagList": "tags"}


def run_task_request(invocation: Invocation) -> dict[str, Any]:
    """Return the RunTask request of an invocation.

    Raises:
        InvalidParameterError: Its target does not run a task.
    """
    target = invocation.target
    given = from_text(invocation.text)
    if target.get("Arn") == UNIVERSAL:
        wanted = given
    elif ":ecs:" in str(target.get("Arn")) and isinstance(target.get("EcsParameters"), dict):
        parameters = {RENAMED.get(name, name): value for name, value in target["EcsParameters"].items()}
        wanted = {**parameters, "cluster": target["Arn"], "overrides": given}
    else:
        message = f"{target.get('Arn')} with these parameters runs no task"
        raise InvalidParameterError(message)
    # Tasks of Scheduler are seen with names that are cut after 36 characters.
    named = {"startedBy": invocation.started_by[:STARTED_BY_LENGTH]}
    request: dict[str, Any] = {**named, **fitted(wanted, input_shape("RunTask"))}
    return request


def from_text(text: str | None) -> dict[str, Any]:
    """Return the JSON object in a target's input; empty when it is not one."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
