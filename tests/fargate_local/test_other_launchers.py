"""Tasks that other services run: EventBridge's rules and schedules, Scheduler. What would run none says so.

API references of EventBridge (PutTargets, EcsParameters) and Scheduler (CreateSchedule), read November 2026. Who
started a task is seen in its ``startedBy``: ``events-rule/…`` and ``chronos-schedule/…``, cut after 36 characters.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs, MakeCloud

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/tests"
ROLE = "arn:aws:iam::123456789012:role/execution"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:{}"
RUN_TASK = "arn:aws:scheduler:::aws-sdk:ecs:runTask"


def refusal(call: Any, **request: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def ecs_parameters(ecs: Ecs, family: Any, **more: Any) -> Any:
    definition = ecs.api.describe_task_definition(taskDefinition=family)["taskDefinition"]["taskDefinitionArn"]
    network = {"awsvpcConfiguration": {"Subnets": [ecs.subnet]}}
    return {"TaskDefinitionArn": definition, "LaunchType": "FARGATE", "NetworkConfiguration": network, **more}


def target(ecs: Ecs, family: Any, identifier: Any = "task", **more: Any) -> Any:
    return {
        "Id": identifier,
        "Arn": CLUSTER,
        "RoleArn": ecs.execution_role,
        "EcsParameters": ecs_parameters(ecs, family),
        **more,
    }


def rule(ecs: Ecs, name: Any, *targets: Any, **settings: Any) -> Any:
    events = ecs.client("events")
    settings = settings or {"EventPattern": json.dumps({"source": [name]})}
    events.put_rule(Name=name, **settings)
    assert events.put_targets(Rule=name, Targets=list(targets))["FailedEntryCount"] == 0
    return events


def tell(events: Any, name: Any, detail: Any = None) -> None:
    entry = {"Source": name, "DetailType": "news", "Detail": json.dumps(detail or {})}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def tasks_of(ecs: Ecs, started_by: Any) -> Any:
    """A task that stops meanwhile is in both lists, and counts once."""
    return list(
        dict.fromkeys(
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.api.list_tasks(cluster=ecs.cluster, startedBy=started_by, desiredStatus=status)["taskArns"]
        )
    )


def the_task(ecs: Ecs, started_by: Any, seconds: Any = 30) -> Any:
    """The one task of a launcher, stopped."""
    deadline = time.monotonic() + seconds
    while not (found := tasks_of(ecs, started_by)):
        assert time.monotonic() < deadline, f"nothing was started by {started_by}"
        time.sleep(0.1)
    assert len(found) == 1
    return ecs.stopped(found[0])


def test_an_event_runs_the_rules_task_and_still_reaches_the_other_targets(ecs: Ecs) -> None:
    queue = ecs.client("sqs").create_queue(QueueName="beside")["QueueUrl"]
    function = {"Id": "function", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:none"}
    gone = {"Id": "gone", "Arn": QUEUE.format("never-made")}
    beside = {"Id": "queue", "Arn": QUEUE.format("beside")}
    events = rule(ecs, "mixed", function, gone, target(ecs, ecs.define_shell("exit 4")), beside)
    tell(events, "mixed")
    assert the_task(ecs, "events-rule/mixed")["containers"][0]["exitCode"] == 4
    (message,) = ecs.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["source"] == "mixed"


@pytest.mark.slow
def test_a_rule_with_a_task_loses_none_of_a_tasks_events(make_cloud: MakeCloud) -> None:
    """Every change of a task goes to a queue and, at its end, to a task that watches; nothing is lost on the way."""
    ecs = make_cloud()
    queues = [ecs.client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("before", "after")]
    watcher = ecs.define_shell("exit 0")
    family = ecs.define_shell("exit 3")
    pattern = {"source": ["aws.ecs"], "detail": {"group": [f"family:{family}"]}}
    rule(
        ecs,
        "changes",
        {"Id": "before", "Arn": QUEUE.format("before")},
        target(ecs, watcher),
        {"Id": "after", "Arn": QUEUE.format("after")},
        EventPattern=json.dumps(pattern),
    )
    version = ecs.finish(family)["version"]
    for queue in queues:
        seen: list[int] = []
        deadline = time.monotonic() + 30
        while version not in seen:
            assert time.monotonic() < deadline, seen
            answer = ecs.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            seen += [json.loads(each["Body"])["detail"]["version"] for each in answer.get("Messages", [])]
        assert seen == list(range(1, version + 1))
    deadline = time.monotonic() + 30
    while len(tasks_of(ecs, "events-rule/changes")) < version:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("constant", {"Input": '{"containerOverrides": [{"name": "app", "command": ["sh", "-c", "echo constant"]}]}'}),
        ("path", {"InputPath": "$.detail.overrides"}),
        (
            "transformed",
            {
                "InputTransformer": {
                    "InputPathsMap": {"what": "$.detail.what"},
                    "InputTemplate": '{"containerOverrides": [{"name": "app", "command": ["echo", "<what>"]}]}',
                }
            },
        ),
    ],
)
def test_a_targets_input_overrides_the_task(ecs: Ecs, name: Any, given: Any) -> None:
    events = rule(ecs, name, target(ecs, ecs.define_shell("echo not overridden"), **given))
    overrides = {"containerOverrides": [{"name": "app", "command": ["echo", "path"]}]}
    tell(events, name, {"what": "transformed", "overrides": overrides})
    assert ecs.logs(the_task(ecs, f"events-rule/{name}")["taskArn"]) == [name]


def test_a_targets_parameters_are_those_of_the_task(ecs: Ecs) -> None:
    parameters = {
        "TaskCount": 2,
        "Group": "by-event",
        "Tags": [{"Key": "team", "Value": "data"}],
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        "EnableECSManagedTags": True,
    }
    wanted = target(ecs, ecs.define_shell("exit 0"))
    wanted["EcsParameters"] |= parameters
    del wanted["EcsParameters"]["LaunchType"]
    name = "with-a-name-that-is-longer-than-that"
    events = rule(ecs, name, wanted)
    tell(events, name)
    started_by = f"events-rule/{name}"[:36]
    deadline = time.monotonic() + 30
    while len(found := tasks_of(ecs, started_by)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    tasks = [ecs.stopped(arn) for arn in found]
    assert {(task["group"], task["capacityProviderName"]) for task in tasks} == {("by-event", "FARGATE_SPOT")}
    assert {"key": "team", "value": "data"} in tasks[0]["tags"]


def test_a_target_that_ecs_refuses_is_said_so_and_stops_nobody(
    make_cloud: MakeCloud, capfd: pytest.CaptureFixture[str]
) -> None:
    ecs = make_cloud()
    family = ecs.define_shell("exit 0")
    no_role = target(ecs, family, "no-role") | {"RoleArn": "arn:aws:iam::123456789012:role/nobody"}
    no_network = target(ecs, family, "no-network")
    del no_network["EcsParameters"]["NetworkConfiguration"]
    events = rule(ecs, "several", no_role, no_network, target(ecs, family))
    tell(events, "several")
    assert the_task(ecs, "events-rule/several")
    said = capfd.readouterr().err
    assert "rule several: target no-role ran no task: ClientException: the role 'arn:aws:iam" in said
    assert "rule several: target no-network ran no task: InvalidParameterException: Network Configuration must" in said


def test_a_disabled_rule_runs_nothing(ecs: Ecs) -> None:
    events = rule(ecs, "asleep", target(ecs, ecs.define_shell("exit 0")))
    events.disable_rule(Name="asleep")
    tell(events, "asleep")
    events.enable_rule(Name="asleep")
    tell(events, "asleep")
    assert the_task(ecs, "events-rule/asleep")


def test_a_rule_with_a_schedule_matches_no_event(ecs: Ecs) -> None:
    events = rule(ecs, "clock", target(ecs, ecs.define_shell("exit 0")), ScheduleExpression="rate(1 day)")
    tell(events, "clock")
    tell(rule(ecs, "after", target(ecs, ecs.define_shell("exit 0"))), "after")
    assert the_task(ecs, "events-rule/after")
    assert tasks_of(ecs, "events-rule/clock") == []


@pytest.mark.slow
def test_a_restart_runs_no_task_again(make_cloud: MakeCloud, tmp_path: Path) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    events = rule(ecs, "once", target(ecs, ecs.define_shell("exit 0")))
    tell(events, "once")
    assert the_task(ecs, "events-rule/once")
    ecs.cloud.stop()
    again = make_cloud(state_dir=tmp_path)
    time.sleep(1)
    assert len(tasks_of(again, "events-rule/once")) == 1
    tell(again.client("events"), "once")
    deadline = time.monotonic() + 30
    while len(tasks_of(again, "events-rule/once")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_schedules_run_their_tasks_when_they_are_due(ecs: Ecs) -> None:
    """One wait for the next minute serves four schedules."""
    family = ecs.define_shell("echo $WHO")
    who = {"containerOverrides": [{"name": "app", "environment": [{"name": "WHO", "value": "scheduler"}]}]}
    scheduler = ecs.client("scheduler")
    task = {
        "Arn": CLUSTER,
        "RoleArn": ecs.execution_role,
        "EcsParameters": ecs_parameters(ecs, family),
        "Input": json.dumps(who),
    }
    universal = {
        "Arn": RUN_TASK,
        "RoleArn": ecs.execution_role,
        "Input": json.dumps(
            {
                "Cluster": CLUSTER,
                "TaskDefinition": family,
                "LaunchType": "FARGATE",
                "StartedBy": "universal",
                "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [ecs.subnet]}},
            }
        ),
    }
    soon = f"{datetime.now(UTC) + timedelta(seconds=3):at(%Y-%m-%dT%H:%M:%S)}"
    fixed = {"FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.create_schedule(
        Name="once", ScheduleExpression=soon, Target=task, ActionAfterCompletion="DELETE", **fixed
    )
    scheduler.create_schedule(Name="direct", ScheduleExpression=soon, Target=universal, **fixed)
    scheduler.create_schedule(Name="never", ScheduleExpression=soon, Target=task, State="DISABLED", **fixed)
    scheduler.create_schedule(Name="each-minute", ScheduleExpression="cron(* * * * ? *)", Target=task, **fixed)
    events = rule(ecs, "each-minute", target(ecs, family), ScheduleExpression="cron(* * * * ? *)")
    assert ecs.logs(the_task(ecs, "chronos-schedule/once")["taskArn"]) == ["scheduler"]
    assert the_task(ecs, "universal")
    assert the_task(ecs, "chronos-schedule/each-minute", seconds=70)
    assert the_task(ecs, "events-rule/each-minute")
    scheduler.delete_schedule(Name="each-minute")
    events.disable_rule(Name="each-minute")
    assert [each["Name"] for each in scheduler.list_schedules()["Schedules"]] == ["direct", "never"][::-1]
    assert tasks_of(ecs, "chronos-schedule/never") == []


def test_a_rule_of_a_template_runs_its_task(ecs: Ecs) -> None:
    parameters = ecs_parameters(ecs, ecs.define_shell("exit 0"))
    parameters["NetworkConfiguration"] = {"AwsVpcConfiguration": {"Subnets": [ecs.subnet]}}
    wanted = {"Id": "task", "Arn": CLUSTER, "RoleArn": ecs.execution_role, "EcsParameters": parameters}
    properties = {"Name": "of-a-stack", "EventPattern": {"source": ["of-a-stack"]}, "Targets": [wanted]}
    template = {"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}}}
    ecs.client("cloudformation").create_stack(StackName="of-a-stack", TemplateBody=json.dumps(template))
    tell(ecs.client("events"), "of-a-stack")
    assert the_task(ecs, "events-rule/of-a-stack")


def test_a_target_that_is_ecs_needs_a_role_and_parameters(ecs: Ecs) -> None:
    """github.com/hashicorp/terraform-provider-aws/pull/19913 has the words."""
    events = ecs.client("events")
    events.put_rule(Name="strict", ScheduleExpression="rate(1 day)")
    full = target(ecs, ecs.define_shell("exit 0"))
    for missing in ("RoleArn", "EcsParameters"):
        less = {name: value for name, value in full.items() if name != missing}
        assert refusal(events.put_targets, Rule="strict", Targets=[less]) == (
            "ValidationException",
            f"{missing} is required for target {CLUSTER}.",
        )
    assert events.list_targets_by_rule(Rule="strict")["Targets"] == []


def test_an_expression_that_is_none_is_refused(ecs: Ecs) -> None:
    """github.com/aws/aws-cdk/issues/32753 has the words for rules; at() is Scheduler's alone."""
    for expression in ("rate(1 minutes)", "cron(7 20 * * 1-7 *)", "at(2030-01-01T00:00:00)"):
        code, message = refusal(ecs.client("events").put_rule, Name="odd", ScheduleExpression=expression)
        assert (code, message) == ("ValidationException", "Parameter ScheduleExpression is not valid.")
    task = {"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": f"{CLUSTER}/x:1"}}
    request = {"Name": "odd", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": task}
    scheduler = ecs.client("scheduler")
    refused = refusal(scheduler.create_schedule, ScheduleExpression="rate(1 minutes)", **request)
    assert refused == ("ValidationException", "Invalid Schedule Expression rate(1 minutes).")
    zone = {"ScheduleExpression": "rate(1 day)", "ScheduleExpressionTimezone": "Mars/Olympus"}
    assert "Mars/Olympus" in refusal(scheduler.create_schedule, **zone, **request)[1]


def test_a_schedule_of_another_action_of_ecs_is_refused(ecs: Ecs) -> None:
    scheduler = ecs.client("scheduler")
    request = {
        "Name": "stopper",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask", "RoleArn": ROLE, "Input": "{}"},
    }
    for call in (scheduler.create_schedule, scheduler.update_schedule):
        code, message = refusal(call, **request)
        assert (code, message.startswith("fargate-local runs tasks for schedules, and nothing else of ECS")) == (
            "ValidationException",
            True,
        )
