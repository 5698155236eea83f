"""What would run tasks on AWS and runs none here says so: EventBridge, Scheduler, Step Functions."""

import json

import pytest
from botocore.exceptions import ClientError

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/tests"
ROLE = "arn:aws:iam::123456789012:role/execution"
ECS_TARGET = {"TaskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/x:1"}


def refusal(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def machine(ecs, name, resource):
    states = {"Run": {"Type": "Task", "Resource": resource, "End": True}}
    definition = json.dumps({"StartAt": "Run", "States": states})
    return ecs.client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=ROLE)[
        "stateMachineArn"
    ]


def test_a_rule_takes_no_target_that_is_ecs(ecs):
    events = ecs.client("events")
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    target = {"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": ECS_TARGET}
    code, message = refusal(events.put_targets, Rule="nightly", Targets=[target])
    assert code == "ValidationException"
    assert message.startswith(
        "fargate-local cannot run the ECS task of target '1' of a rule: start the task with RunTask"
    )
    assert events.list_targets_by_rule(Rule="nightly")["Targets"] == []
    queue = {"Id": "2", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}
    assert events.put_targets(Rule="nightly", Targets=[queue])["FailedEntryCount"] == 0


@pytest.mark.parametrize(
    "target", [{"Arn": CLUSTER, "EcsParameters": ECS_TARGET}, {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask"}]
)
def test_a_schedule_takes_no_target_that_is_ecs(ecs, target):
    scheduler = ecs.client("scheduler")
    request = {
        "Name": "nightly",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {**target, "RoleArn": ROLE},
    }
    for call in (scheduler.create_schedule, scheduler.update_schedule):
        code, message = refusal(call, **request)
        assert (code, "schedule 'nightly'" in message) == ("ValidationException", True)
    assert scheduler.list_schedules()["Schedules"] == []


@pytest.mark.parametrize("resource", ["arn:aws:states:::ecs:runTask.sync", "arn:aws:states:::aws-sdk:ecs:runTask"])
def test_an_execution_that_would_run_tasks_does_not_succeed_without_them(ecs, resource):
    arn = machine(ecs, f"runs-{resource.count(':')}-{len(resource)}", resource)
    states = ecs.client("stepfunctions")
    code, message = refusal(states.start_execution, stateMachineArn=arn)
    assert code == "ValidationException"
    assert message.startswith(f"fargate-local does not execute state machines, and {arn} runs ECS tasks")
    assert states.list_executions(stateMachineArn=arn)["executions"] == []


def test_other_executions_are_moto_s(ecs):
    arn = machine(ecs, "other", "arn:aws:states:::sqs:sendMessage")
    assert ecs.client("stepfunctions").start_execution(stateMachineArn=arn)["executionArn"]
