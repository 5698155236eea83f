"""Services of moto that would promise to run tasks and never do: they are refused rather than believed.

A target of EventBridge, a schedule, or an execution of Step Functions that starts ECS tasks succeeds in moto without a
task. Definitions of state machines are taken, for stacks have them; their executions are not.
"""

import json
from dataclasses import replace
from typing import Any

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.errors import ClientError

HINT = "start the task with RunTask instead, or let an ECS target be made on AWS only"
EXECUTIONS = frozenset({"StartExecution", "StartSyncExecution"})
RUNS_TASKS = ("ecs:runTask", "aws-sdk:ecs:")


class CannotRunError(ClientError):
    """A request to another service that would run an ECS task."""

    code = "ValidationException"


def check_launcher(request: CloudRequest, gate: MotoGate) -> None:
    """Raise CannotRunError for what would run ECS tasks on AWS, and runs none here."""
    match request.service:
        case "events" if request.action == "PutTargets":
            for target in parameters(request).get("Targets", []):
                if runs_a_task(target):
                    message = f"fargate-local runs no ECS task for target {target.get('Id')!r} of a rule: {HINT}."
                    raise CannotRunError(message)
        case "scheduler" if request.method in ("POST", "PUT") and request.path.startswith("/schedules/"):
            if runs_a_task(parameters(request).get("Target", {})):
                name = request.path.rpartition("/")[2]
                message = f"fargate-local runs no ECS task for schedule {name!r}: {HINT}."
                raise CannotRunError(message)
        case "states" if request.action in EXECUTIONS and "x-amz-target" in request.headers:
            check_execution(request, gate)


def check_execution(request: CloudRequest, gate: MotoGate) -> None:
    """An execution whose state machine runs tasks would succeed at once without running any."""
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
            f"fargate-local executes no state machine, and {arn} runs ECS tasks: its execution would succeed without"
            " them. Start the tasks with RunTask instead."
        )
        raise CannotRunError(message)


def runs_a_task(target: Any) -> bool:
    """Whether a target of EventBridge or Scheduler is ECS."""
    if not isinstance(target, dict):
        return False
    arn = str(target.get("Arn", ""))
    return "EcsParameters" in target or ":ecs:" in arn


def parameters(request: CloudRequest) -> dict[str, Any]:
    """The JSON body; empty when it is none, which moto may judge."""
    try:
        document = json.loads(request.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
