"""What other services may ask of ECS, checked before moto takes it: schedules, targets and executions."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from fargate_local.cloud.event_rules import Invocation, is_ecs
from fargate_local.cloud.requests import CloudRequest
from fargate_local.cloud.schedules import ScheduleError, next_time
from fargate_local.ecs.targets import run_task_request
from fargate_local.protocol.errors import ClientError, EcsError


class CannotRunError(ClientError):
    """A request to another service that would run an ECS task."""

    code = "ValidationException"


def check_launcher(request: CloudRequest) -> None:
    """Check a request to another service that would run ECS tasks, at once or later.

    Raises:
        CannotRunError: AWS would reject it, or it would run none here.
    """
    match request.service:
        case "events" if request.action == "PutRule":
            check_expression(parameters(request).get("ScheduleExpression"))
        case "events" if request.action == "PutTargets":
            for target in parameters(request).get("Targets", []):
                check_target(target)
        case "scheduler" if request.method in ("POST", "PUT") and request.path.startswith("/schedules/"):
            check_schedule(parameters(request))
        case "states":
            check_execution(request)


def check_execution(request: CloudRequest) -> None:
    """Check that an execution is one that can be run here.

    Raises:
        CannotRunError: It is a synchronous one.
    """
    if request.action == "StartSyncExecution":
        message = "fargate-local runs no synchronous executions. Use StartExecution and DescribeExecution."
        raise CannotRunError(message)


def check_expression(expression: Any) -> None:
    """Check a rule's schedule.

    The words are from github.com/localstack/localstack/pull/12156 and github.com/aws/aws-cdk/issues/32753.

    Raises:
        CannotRunError: EventBridge would reject it.
    """
    if not expression:
        return
    if not str(expression).startswith(("rate(", "cron(")) or not is_schedule(str(expression)):
        message = "Parameter ScheduleExpression is not valid."
        raise CannotRunError(message)


def check_schedule(schedule: dict[str, Any]) -> None:
    """Check a schedule of Scheduler, whatever its target.

    Raises:
        CannotRunError: Its expression, time zone or ECS target is not valid.
    """
    expression, zone = str(schedule.get("ScheduleExpression")), schedule.get("ScheduleExpressionTimezone") or "UTC"
    if zone not in available_timezones():
        message = f"Invalid Schedule Expression Timezone {zone}."
        raise CannotRunError(message)
    if not is_schedule(expression):
        message = f"Invalid Schedule Expression {expression}."
        raise CannotRunError(message)
    target = schedule.get("Target")
    if isinstance(target, dict) and is_ecs(target):
        try:
            run_task_request(Invocation("", "", "", target, target.get("Input")))
        except EcsError as error:
            message = f"fargate-local runs tasks for schedules, and nothing else of ECS: {error.message}."
            raise CannotRunError(message) from error


def is_schedule(expression: str) -> bool:
    """Return whether EventBridge understands a schedule expression."""
    now = datetime.now(UTC)
    try:
        next_time(expression, now, now)
    except ScheduleError:
        return False
    return True


def check_target(target: Any) -> None:
    """Check that a target that is ECS has a role and parameters.

    The words are those in github.com/hashicorp/terraform-provider-aws/pull/19913.

    Raises:
        CannotRunError: It has not.
    """
    if not isinstance(target, dict) or not is_ecs(target):
        return
    if not target.get("RoleArn"):
        message = f"RoleArn is required for target {target.get('Arn')}."
        raise CannotRunError(message)
    if "EcsParameters" not in target:
        message = f"EcsParameters is required for target {target.get('Arn')}."
        raise CannotRunError(message)


def parameters(request: CloudRequest) -> dict[str, Any]:
    """Return the JSON object in the body; empty when there is none, which moto may judge."""
    try:
        document = json.loads(request.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
