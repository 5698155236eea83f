"""Step Functions' integration of ECS: what a state that runs a task takes, waits for, fails with, and stops.

Developer guide, "Run Amazon ECS or Fargate tasks with Step Functions" (read November 2026). Error names and causes:
github.com/cdklabs/construct-hub/pull/415, github.com/serverless-operations/serverless-step-functions/pull/189. A task
fails its state with the exit code of an essential container: github.com/aws/copilot-cli/issues/3160.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from fargate_local.cloud.replaced import original, replace
from fargate_local.state_machines.interpreter import name_of_error

Client = Callable[[str, str, str], Any]
"""(service, region, ARN of a role) → boto3 client with its credentials."""
Definition = Callable[[str, str], dict[str, Any]]
"""(region, ARN) → a task definition."""
TAKEN: Final = frozenset(
    {
        "CapacityProviderStrategy",
        "Cluster",
        "EnableECSManagedTags",
        "EnableExecuteCommand",
        "Group",
        "LaunchType",
        "NetworkConfiguration",
        "Overrides",
        "PlacementConstraints",
        "PlacementStrategy",
        "PlatformVersion",
        "PropagateTags",
        "ReferenceId",
        "StartedBy",
        "Tags",
        "TaskDefinition",
        "VolumeConfigurations",
    }
)
"""Parameters of RunTask that go to ECS; moto 5.2 drops some of them silently."""
STOPPED: Final = "The execution or state of AWS Step Functions that waited for this task has ended."


class Integration:
    """Methods for moto's states that run tasks; `state` is one of these, `env` what it is executed in."""

    def __init__(self, client: Client, definition: Definition) -> None:
        self._client, self._definition = client, definition

    def run(self, state: Any, env: Any, part: Any, parameters: dict[str, Any], credentials: Any) -> None:
        """Run a task, as the last thing of the state or before it waits.

        Raises:
            FailureEventException: There are failures, and the state would wait.
        """
        ecs = self._client("ecs", part.region, credentials.role_arn)
        state._to_boto_request(parameters, ecs.meta.service_model.operation_model("RunTask").input_shape)
        answer = ecs.run_task(**parameters)
        told = {name: in_pascal_case(answer[name.lower()]) for name in ("Tasks", "Failures")}
        if told["Failures"] and state.resource.condition is not None:
            problem = failure(state, env, "AmazonECS.Unknown", json.dumps(told))
            raise problem
        env.stack.append(told)

    def watch(self, state: Any, env: Any, part: Any, credentials: Any) -> "Watch":
        """Return what watches the task that the state has run."""
        ecs, started = self._client("ecs", part.region, credentials.role_arn), env.stack.pop()["Tasks"][0]
        essential = essential_names(self._definition(part.region, started["TaskDefinitionArn"]))
        return Watch(state, env, ecs, started["ClusterArn"], started["TaskArn"], essential)


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at a task until it has stopped."""

    state: Any
    env: Any
    ecs: Any
    cluster: str
    task: str
    essential: frozenset[str]

    def __call__(self) -> Any:
        """Return the task once it has stopped.

        Raises:
            FailureEventException: It did not end well.
        """
        (task,) = self.ecs.describe_tasks(cluster=self.cluster, tasks=[self.task])["tasks"]
        if task["lastStatus"] != "STOPPED":
            return None
        described = in_pascal_case(task)
        if not succeeded(task, self.essential):
            problem = failure(self.state, self.env, "States.TaskFailed", json.dumps(described))
            raise problem
        return described

    def stop(self) -> None:
        """Stop the task, for nobody waits for it any more."""
        with suppress(ClientError, BotoCoreError, RuntimeError):
            self.ecs.stop_task(cluster=self.cluster, task=self.task, reason=STOPPED)


def wait_for_tasks(client: Client, definition: Definition) -> None:
    """Let moto's integration of ECS run tasks as Step Functions does."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
        StateTaskServiceEcs,
    )
    from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcomeTimedOut, HeartbeatTimedOut

    over = (CallbackOutcomeTimedOut, HeartbeatTimedOut)
    within, state = Integration(client, definition), StateTaskServiceEcs
    wait, explain = original(state, "_eval_sync"), original(state, "_from_error")

    def supported(self: Any) -> set[str] | None:
        return set(TAKEN) if self.resource.api_action == "runTask" else None

    def run(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> None:
        within.run(self, env, resource_runtime_part, normalised_parameters, state_credentials)

    def watch(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Watch:
        return within.watch(self, env, resource_runtime_part, state_credentials)

    def wait_or_stop(self: Any, env: Any, sync_resolver: Watch, *more: Any, **others: Any) -> Any:
        outcome = wait(self, env, sync_resolver, *more, **others)
        if outcome is None or isinstance(outcome, over):
            sync_resolver.stop()
        return outcome

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        return explain(self, env, refused(self, env, ex) if isinstance(ex, ClientError) else ex)

    for name, value in (
        ("_get_supported_parameters", supported),
        ("_eval_service_task", run),
        ("_build_sync_resolver", watch),
        ("_eval_sync", wait_or_stop),
        ("_from_error", from_error),
    ):
        replace(state, name, value)


def refused(state: Any, env: Any, error: ClientError) -> Exception:
    """Return an error of ECS as Step Functions tells it."""
    detail, meta = error.response["Error"], error.response["ResponseMetadata"]
    about = f"Service: AmazonECS; Status Code: {meta['HTTPStatusCode']}; Error Code: {detail['Code']}"
    cause = f"{detail.get('Message', '')} ({about}; Request ID: {meta.get('RequestId', '')}; Proxy: null)"
    return failure(state, env, f"ECS.{detail['Code']}", cause)


def in_pascal_case(value: Any) -> Any:
    """Return an answer of ECS as Step Functions has it: names with a capital, times in milliseconds since the epoch."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: in_pascal_case(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_pascal_case(item) for item in value]
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else value


def essential_names(definition: dict[str, Any]) -> frozenset[str]:
    """Return the names of a task definition's essential containers."""
    return frozenset(each["name"] for each in definition["containerDefinitions"] if each.get("essential", True))


def succeeded(task: dict[str, Any], essential: frozenset[str]) -> bool:
    """Return whether a stopped task counts as done: each of its essential containers ended by itself, with zero."""
    codes = [each.get("exitCode") for each in task["containers"] if each["name"] in essential]
    return task.get("stopCode") == "EssentialContainerExited" and all(code == 0 for code in codes)


def failure(state: Any, env: Any, error: str, cause: str) -> Exception:
    """Return what makes moto's interpreter fail a state."""
    from moto.stepfunctions.parser import api
    from moto.stepfunctions.parser.asl.component.common.error_name import failure_event

    details: Any = {"error": error, "cause": cause, "resource": state._get_sfn_resource(),
                    "resourceType": state._get_sfn_resource_type()}  # fmt: skip
    event_details: Any = {"taskFailedEventDetails": details}
    event = failure_event.FailureEvent(
        env=env,
        error_name=name_of_error(error),
        event_type=api.HistoryEventType.TaskFailed,
        event_details=event_details,
    )
    return failure_event.FailureEventException(failure_event=event)
