"""RunTask: the request, its submission, and what each rejection means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from datavision.errors import ConfigError
from datavision.fargate.sizing.sizes import FargateSize

MAX_OVERRIDES = 8192
"""Characters that RunTask takes as overrides (ECS API reference, RunTask, November 2026)."""

SHARED_VARIABLE = "DATAVISION_SHARED"
"""`datavision_runtime` has it, too; a test compares the two."""

Market = Literal["spot", "on-demand"]


class Refusal(StrEnum):
    """Why a RunTask call returned no task."""

    REJECTED = "rejected"
    """Capacity, addresses, limits: another launch may succeed."""
    THROTTLED = "throttled"
    """Nothing was created; retry the same launch later."""
    UNKNOWN = "unknown"
    """No answer: it may have been created; retrying the same launch finds out."""
    CONFLICT = "conflict"
    """The token was used with other parameters."""
    PERMANENT = "permanent"
    """The request is wrong or not allowed."""


class RefusedError(Exception):
    """RunTask returned no task."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


@dataclass(frozen=True)
class Placement:
    """Where and how a launch is placed."""

    cluster: str
    subnet: str
    security_groups: tuple[str, ...]
    platform_version: str
    market: Market


@dataclass(frozen=True)
class Payload:
    """What a launch runs."""

    task_definition: str
    container: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    size: FargateSize


def build_request(
    payload: Payload, placement: Placement, started_by: str, tags: list[dict[str, str]]
) -> dict[str, Any]:
    """Return the arguments of RunTask, without the clientToken.

    Raises:
        ConfigError: The overrides are longer than RunTask takes.
    """
    overrides = {
        "cpu": str(payload.size.cpu),
        "memory": str(payload.size.memory),
        "containerOverrides": [
            {
                "name": payload.container,
                "command": list(payload.command),
                "environment": [{"name": key, "value": value} for key, value in sorted(payload.environment.items())],
            }
        ],
    }
    if (length := len(json.dumps(overrides))) > MAX_OVERRIDES:
        raise ConfigError(
            f"The command and environment of this task take {length} characters; RunTask accepts {MAX_OVERRIDES}. "
            "Put long values in a bucket and pass their path."
        )
    capacity: dict[str, Any] = {"launchType": "FARGATE"}
    if placement.market == "spot":
        capacity = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
    return {
        "cluster": placement.cluster,
        "taskDefinition": payload.task_definition,
        "count": 1,
        "startedBy": started_by,
        "platformVersion": placement.platform_version,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": [placement.subnet],
                "securityGroups": list(placement.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": overrides,
        "propagateTags": "TASK_DEFINITION",
        "tags": tags,
        **capacity,
    }


def for_container(
    request: Mapping[str, Any], name: str, serving: Mapping[str, Any], size: FargateSize, tags: list[dict[str, str]]
) -> dict[str, Any]:
    """Return the request for a shared container in the place of one for a single command.

    Args:
        request: From `build_request`.
        name: The session's, which stands where the command would: ECS shows it.
        serving: What `datavision-run` is told: `uri`, `idle_seconds`, `ends_after`, `memory_mib`, `module`.
        size: The container's.
        tags: The container's.
    """
    container = request["overrides"]["containerOverrides"][0]["name"]
    environment = [{"name": SHARED_VARIABLE, "value": json.dumps(serving)}]
    return {
        **request,
        "overrides": {
            "cpu": str(size.cpu),
            "memory": str(size.memory),
            "containerOverrides": [{"name": container, "command": [name], "environment": environment}],
        },
        "tags": tags,
    }


def run_task(ecs: Any, request: Mapping[str, Any], token: str) -> str:
    """Launch one task and return its ARN; the same request and token again return the same task.

    Raises:
        RefusedError: There is no task, or no answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = ecs.run_task(**request, clientToken=token)
    except ClientError as error:
        raise RefusedError(_refusal(error.response), str(error)) from error
    except BotoCoreError as error:
        raise RefusedError(Refusal.UNKNOWN, str(error)) from error
    if answer.get("tasks"):
        return str(answer["tasks"][0]["taskArn"])
    reasons = "; ".join(
        f"{item.get('reason', 'no reason given')} {item.get('detail', '')}".strip()
        for item in answer.get("failures", [])
    )
    text = reasons or "RunTask answered without a task and without a failure"
    raise RefusedError(Refusal.PERMANENT if _is_inactive(text) else Refusal.REJECTED, text)


def _is_inactive(reason: str) -> bool:
    return any(part in reason for part in ("MISSING", "INACTIVE", "ATTRIBUTE"))


_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
_REJECTED = frozenset({"LimitExceededException", "ClusterContainsTasksException", "PlatformUnknownException"})
_EXPIRED = frozenset({"ExpiredTokenException", "ExpiredToken", "RequestExpired"})
_TRANSIENT_TEXT = ("capacity is unavailable", "not have any available ip", "resource:eni", "rate exceeded")


def _refusal(response: Mapping[str, Any]) -> Refusal:
    error = response.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", "")).lower()
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED:
        return Refusal.THROTTLED
    if code == "ConflictException":
        return Refusal.CONFLICT
    if status >= 500 or code in _EXPIRED:
        return Refusal.UNKNOWN
    if code in _REJECTED or any(part in text for part in _TRANSIENT_TEXT):
        return Refusal.REJECTED
    return Refusal.PERMANENT
