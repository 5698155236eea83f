"""Moto services that would accept a request to run tasks and never run them: they are rejected instead.

An EventBridge target, a schedule or a Step Functions execution that starts ECS tasks succeeds in moto without a task.
State machine definitions are accepted, because stacks contain them; executing one is not.
"""

import json
from dataclasses import replace
from typing import Any

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.errors import ClientError

HINT = "start the task with RunTask instead, or create the ECS target on AWS only"
EXECUTIONS = frozenset({"StartExecution", "StartSyncExecution"})
RUNS_TASKS = ("ecs:runTask", "aws-sdk:ecs:")


class CannotRunError(ClientError):
    """A request to another service that would run an ECS task."""

    code = "ValidationException"


def check_launcher(request: CloudRequest, gate: MotoGate) -> None:
    """Check that a request would not start ECS tasks on AWS, which nothing would do here.

    Raises:
        CannotRunError: It would.
    """
    match request.service:
        case "events" if request.action == "PutTargets":
            for target in parameters(request).get("Targets", []):
                if runs_a_task(target):
                    message = f"fargate-local cannot run the ECS task of target {target.get('Id')!r} of a rule: {HINT}."
                    raise CannotRunError(message)
        case "scheduler" if request.method in ("POST", "PUT") and request.path.startswith("/schedules/"):
            if runs_a_task(parameters(request).get("Target", {})):
                name = request.path.rpartition("/")[2]
                message = f"fargate-local cannot run the ECS task of schedule {name!r}: {HINT}."
                raise CannotRunError(message)
        case "states" if request.action in EXECUTIONS and "x-amz-target" in request.headers:
            check_execution(request, gate)


def check_execution(request: CloudRequest, gate: MotoGate) -> None:
    """Check that an execution runs no ECS task; moto would report success at once without running any.

    Raises:
        CannotRunError: Its state machine runs tasks.
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


def runs_a_task(target: Any) -> bool:
    """Return whether a target of EventBridge or Scheduler is ECS."""
    if not isinstance(target, dict):
        return False
    arn = str(target.get("Arn", ""))
    return "EcsParameters" in target or ":ecs:" in arn


def parameters(request: CloudRequest) -> dict[str, Any]:
    """Return the JSON body, or an empty object when it is not valid: moto will report that."""
    try:
        document = json.loads(request.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
