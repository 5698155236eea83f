"""Step Functions: executions really run, and their states run tasks of ECS, wait for them, fail and stop with them.

Developer guide, "Run Amazon ECS or Fargate tasks with Step Functions", "Discover service integration patterns".
"""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs, refusal
from tests.support.strict_cloud import Account

from fargate_local import FargateLocal

SYNC = "arn:aws:states:::ecs:runTask.sync"


class Machines:
    """Step Functions of one cloud."""

    def __init__(self, ecs: Ecs) -> None:
        self.ecs, self.api = ecs, ecs.client("stepfunctions")
        self.role = ecs.role("states")

    def run_state(self, family: str, resource: str = SYNC, **more: Any) -> dict[str, Any]:
        """A state that runs a task."""
        parameters = {
            "Cluster": "tests",
            "TaskDefinition": family,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [self.ecs.subnet]}},
            **more.pop("parameters", {}),
        }
        return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **more}

    def start(self, start: dict[str, Any], data: Any = None, **states: Any) -> str:
        """Start an execution of a machine with these states."""
        definition = json.dumps({"StartAt": "Start", "States": {"Start": start, **states}})
        made = self.api.create_state_machine(name=uuid.uuid4().hex, definition=definition, roleArn=self.role)
        arn = self.api.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(data or {}))
        return str(arn["executionArn"])

    def until(self, done: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while not (found := done()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait for the end of an execution; what DescribeExecution says of it."""

        def look() -> Any:
            found = self.api.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        return dict(self.until(look))

    def history(self, execution: str) -> list[str]:
        return [each["type"] for each in self.api.get_execution_history(executionArn=execution)["events"]]

    def task_of(self, family: str, status: str = "RUNNING") -> str:
        """The ARN of the only task of a family, once it has a status."""

        def look() -> Any:
            desired = "STOPPED" if status == "STOPPED" else "RUNNING"
            arns = self.ecs.api.list_tasks(cluster="tests", family=family, desiredStatus=desired)["taskArns"]
            tasks = self.ecs.api.describe_tasks(cluster="tests", tasks=arns)["tasks"] if arns else []
            return next((each["taskArn"] for each in tasks if each["lastStatus"] == status), None)

        return str(self.until(look))


@pytest.fixture
def machines(ecs: Ecs) -> Machines:
    return Machines(ecs)


def test_a_state_waits_for_its_task_and_its_output_is_the_tasks_description(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("echo $WHO")
    overrides = {"ContainerOverrides": [{"Name": "app", "Environment": [{"Name": "WHO", "Value.$": "$.who"}]}]}
    state = machines.run_state(family, parameters={"Overrides": overrides})
    execution = machines.start(state, {"who": "world"})
    ended = machines.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended
    task = json.loads(ended["output"])
    assert (task["LastStatus"], task["StartedBy"]) == ("STOPPED", "AWS Step Functions")
    assert task["Containers"][0]["ExitCode"] == 0
    assert isinstance(task["StoppedAt"], int)
    assert ecs.logs(task["TaskArn"]) == ["world"]
    assert machines.history(execution) == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
        "TaskStateExited", "ExecutionSucceeded",
    ]  # fmt: skip


def test_a_task_that_ends_badly_fails_its_state_which_may_be_caught(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("exit 3")
    ended = machines.ended(machines.start(machines.run_state(family)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["Containers"][0]["ExitCode"] == 3
    caught = machines.run_state(family, Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "Mend"}])
    ended = machines.ended(machines.start(caught, Mend={"Type": "Pass", "Result": "mended", "End": True}))
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", '"mended"')


def test_only_essential_containers_decide(machines: Machines, ecs: Ecs) -> None:
    """github.com/aws/copilot-cli/issues/3160."""
    family = ecs.define({"command": ["sleep", "0.2"]}, {"command": ["sh", "-c", "exit 4"], "essential": False})
    ended = machines.ended(machines.start(machines.run_state(family)))
    assert ended["status"] == "SUCCEEDED", ended
    codes = {each["Name"]: each["ExitCode"] for each in json.loads(ended["output"])["Containers"]}
    assert codes == {"app": 0, "app1": 4}


def test_what_ecs_refuses_is_an_error_of_its_name_in_its_words(machines: Machines, ecs: Ecs) -> None:
    ended = machines.ended(machines.start(machines.run_state("nobody-has-this")))
    assert (ended["status"], ended["error"]) == ("FAILED", "ECS.ClientException")
    assert ended["cause"].startswith("TaskDefinition not found. (Service: AmazonECS; Status Code: 400; Error Code:")


def test_failures_fail_a_state_that_waits_and_no_other(
    machines: Machines, ecs: Ecs, fargate_faults: Callable[..., Any]
) -> None:
    family = ecs.define_shell("true")
    fargate_faults("capacity", family=family)
    ended = machines.ended(machines.start(machines.run_state(family)))
    assert (ended["status"], ended["error"]) == ("FAILED", "AmazonECS.Unknown")
    assert "Capacity is unavailable" in json.loads(ended["cause"])["Failures"][0]["Reason"]
    ended = machines.ended(machines.start(machines.run_state(family, "arn:aws:states:::ecs:runTask")))
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["Tasks"] == []


def test_whoever_stops_an_execution_stops_its_task(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("sleep 600")
    execution = machines.start(machines.run_state(family))
    task = machines.task_of(family)
    machines.api.stop_execution(executionArn=execution)
    assert machines.ended(execution)["status"] == "ABORTED"
    assert "Step Functions" in ecs.stopped(task)["stoppedReason"]


def test_a_state_that_times_out_stops_its_task(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("sleep 600")
    execution = machines.start(machines.run_state(family, TimeoutSeconds=1))
    ended = machines.ended(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    assert machines.task_of(family, "STOPPED")


def test_a_state_waits_for_its_token(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("echo $TOKEN")
    environment = [{"Name": "TOKEN", "Value.$": "$$.Task.Token"}]
    overrides = {"ContainerOverrides": [{"Name": "app", "Environment": environment}]}
    state = machines.run_state(
        family, "arn:aws:states:::ecs:runTask.waitForTaskToken", parameters={"Overrides": overrides}
    )
    execution = machines.start(state)
    (token,) = ecs.logs(machines.task_of(family, "STOPPED"))
    assert machines.api.describe_execution(executionArn=execution)["status"] == "RUNNING"
    machines.api.send_task_success(taskToken=token, output='{"rows": 7}')
    assert json.loads(machines.ended(execution)["output"]) == {"rows": 7}


def test_tasks_of_a_map_run_side_by_side_and_hold_up_nobody(machines: Machines, ecs: Ecs) -> None:
    family = ecs.define_shell("sleep 600")
    inner = {"StartAt": "Run", "States": {"Run": machines.run_state(family)}}
    execution = machines.start({"Type": "Map", "ItemProcessor": inner, "End": True, "ItemsPath": "$"}, [1, 2, 3])

    def running() -> Any:
        arns = ecs.api.list_tasks(cluster="tests", family=family)["taskArns"]
        return arns if len(arns) == 3 else None

    for arn in machines.until(running):
        ecs.api.stop_task(cluster="tests", task=arn)
    ended = machines.ended(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")


def test_states_of_other_services_are_real_too(machines: Machines, ecs: Ecs) -> None:
    sqs = ecs.client("sqs")
    url = sqs.create_queue(QueueName="of-states")["QueueUrl"]
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody.$": "$.text"},
        "End": True,
    }
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.text", "IsPresent": True, "Next": "Send"}]}
    assert machines.ended(machines.start(choice, {"text": "hello"}, Send=send))["status"] == "SUCCEEDED"
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"


def test_a_role_that_nobody_has_is_not_assumed(machines: Machines, ecs: Ecs) -> None:
    machines.role = "arn:aws:iam::123456789012:role/nobodys"
    ended = machines.ended(machines.start(machines.run_state(ecs.define_shell("true"))))
    assert (ended["status"], ended["error"]) == ("FAILED", "ECS.AccessDeniedException")
    assert "authorized to assume arn:aws:iam::123456789012:role/nobodys" in ended["cause"]


def test_an_execution_needs_a_name_once(machines: Machines) -> None:
    arn = machines.start({"Type": "Pass", "End": True})
    machine = machines.ended(arn)["stateMachineArn"]
    machines.api.start_execution(stateMachineArn=machine, name="once")
    machines.until(lambda: machines.ended(f"{machine.replace(':stateMachine:', ':execution:')}:once"))
    assert refusal(machines.api.start_execution, stateMachineArn=machine, name="once")[0] == "ExecutionAlreadyExists"


def test_what_is_no_definition_is_refused(machines: Machines) -> None:
    request = {"name": "wrong", "definition": '{"StartAt": "Nobody"}', "roleArn": machines.role}
    assert refusal(machines.api.create_state_machine, **request)[0] == "InvalidDefinition"


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_executions_outlive_a_server_as_they_ended_or_as_aborted_and_run_nothing_twice(
    tmp_path: Path, how: str
) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud)
        machines = Machines(ecs)
        done, waits = ecs.define_shell("true", family="done"), ecs.define_shell("sleep 600", family="waits")
        first = machines.start(machines.run_state(done))
        output = machines.ended(first)["output"]
        second = machines.start(machines.run_state(waits))
        machines.task_of(waits)
        if how == "killed":
            os.kill(cloud.pid, signal.SIGKILL)
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud)
        machines = Machines(ecs)
        found = machines.api.describe_execution(executionArn=first)
        assert (found["status"], found["output"]) == ("SUCCEEDED", output)
        found = machines.api.describe_execution(executionArn=second)
        assert (found["status"], found["cause"]) == (
            "ABORTED",
            "fargate-local was stopped in the middle of this execution.",
        )
        running = ecs.api.list_tasks(cluster="tests", family="waits")["taskArns"]
        assert running == []
        ended = ecs.api.list_tasks(cluster="tests", family="done", desiredStatus="STOPPED")["taskArns"]
        assert len(ended) == 1


def test_a_strict_server_asks_for_the_permissions_of_the_machines_role() -> None:
    with FargateLocal(strict=True) as cloud:
        account = Account(cloud)
        states = account.client("stepfunctions")
        definition = account.define(["true"])

        def outcome(role: str) -> dict[str, Any]:
            run = {
                "Type": "Task",
                "Resource": SYNC,
                "Parameters": {
                    "Cluster": "tests",
                    "TaskDefinition": definition,
                    "LaunchType": "FARGATE",
                    "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [account.subnet]}},
                },
                "End": True,
            }
            text = json.dumps({"StartAt": "Run", "States": {"Run": run}})
            machine = states.create_state_machine(name=uuid.uuid4().hex, definition=text, roleArn=role)
            execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
            deadline = time.monotonic() + 60
            while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            return dict(found)

        trusted = {"Service": "states.amazonaws.com"}
        nothing, stranger = account.role(trusted=trusted), account.role()
        allowed = account.role(
            {"Effect": "Allow", "Action": ["ecs:RunTask", "ecs:DescribeTasks"], "Resource": "*"}, trusted=trusted
        )
        refused = outcome(nothing)
        assert refused["error"] == "ECS.AccessDeniedException"
        assert "is not authorized to perform: ecs:RunTask" in refused["cause"]
        assert "is authorized to assume" in outcome(stranger)["cause"]
        assert outcome(allowed)["status"] == "SUCCEEDED"
