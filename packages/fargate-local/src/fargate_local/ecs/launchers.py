"""What other services may ask of ECS: schedules and targets are checked, executions that run tasks are refused.

An execution of Step Functions that starts ECS tasks succeeds in moto without a task. Definitions of state machines are
taken, for stacks have them; their executions are not.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from fargate_local.cloud.event_rules import Invocation, is_ecs
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest
from fargate_local.cloud.schedules import ScheduleError, next_time
from fargate_local.ecs.targets import run_task_request
from fargate_local.protocol.errors import ClientError, EcsError

EXECUTIONS = frozenset({"StartExecution", "StartSyncExecution"})
RUNS_TASKS = ("ecs:runTask", "aws-sdk:ecs:")


class CannotRunError(ClientError):
    """A request to another service that would run an ECS task."""

    code = "ValidationException"


def check_launcher(request: CloudRequest, gate: MotoGate) -> None:
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
        case "states" if request.action in EXECUTIONS and "x-amz-target" in request.headers:
            check_execution(request, gate)


def check_execution(request: CloudRequest, gate: MotoGate) -> None:
    """Check that the state machine of an execution runs no tasks: moto would let it succeed without running any.

    Raises:
        CannotRunError: It runs some.
    """
    arn = parameters(request).get("stateMachineArn")
    target = request.headers["x-amz-target"].rpartition(".")[0] + ".DescribeStateMachine"
    asked = replace(
        request,
        headers=request.headers | {"x-amz-target": target},
        body=json.dumps({"stateMachineArn": arn}).encode(),
    )
    described = gate.handle(asked)
    if described.code != 200:
        return
    definition = json.loads(described.content).get("definition", "")
    if any(resource in definition for resource in RUNS_TASKS):
        message = (
            f"fargate-local does not execute state machines, and {arn} runs ECS tasks: its execution would succeed"
            " without them. Start the tasks with RunTask instead."
        )
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
