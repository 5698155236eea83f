"""Services: the desired count is kept, and a new definition replaces the old one task by task."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs

from fargate_local import FargateLocal
from fargate_local.service_scheduler import FIRST_PAUSE

DEADLINE = 60.0
SLEEP = "exec sleep 600"


@pytest.fixture(scope="module")
def ecs() -> Iterator[Ecs]:
    with FargateLocal() as cloud:
        yield Ecs(cloud)


Make = Callable[..., dict[str, Any]]


def create(ecs: Ecs, name: str, script: str = SLEEP, count: int = 1, **settings: Any) -> dict[str, Any]:
    """Make a service of a shell script, or of `family`."""
    wanted = {
        "cluster": ecs.cluster,
        "serviceName": name,
        "taskDefinition": settings.pop("family", None) or ecs.define_shell(script),
        "desiredCount": count,
        "launchType": "FARGATE",
        "networkConfiguration": ecs.network,
        **settings,
    }
    made: dict[str, Any] = ecs.api.create_service(**wanted)["service"]
    return made


@pytest.fixture
def service(ecs: Ecs, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a service of the test's own of a shell script."""
    name = f"service-{abs(hash(request.node.nodeid)) % 10**9}"

    yield partial(create, ecs, name)
    try:
        ecs.api.delete_service(cluster=ecs.cluster, service=name, force=True)
    except ClientError:
        return


def described(ecs: Ecs, service: dict[str, Any]) -> dict[str, Any]:
    (found,) = ecs.api.describe_services(cluster=ecs.cluster, services=[service["serviceArn"]])["services"]
    return dict(found)


def until(ecs: Ecs, service: dict[str, Any], done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE
    while not done(found := described(ecs, service)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def steady(found: dict[str, Any]) -> bool:
    (primary, *others) = found["deployments"]
    return primary["rolloutState"] == "COMPLETED" and not others and found["runningCount"] == found["desiredCount"]


def tasks(ecs: Ecs, service: dict[str, Any], status: str = "RUNNING") -> list[dict[str, Any]]:
    arns = ecs.api.list_tasks(cluster=ecs.cluster, serviceName=service["serviceName"], desiredStatus=status)["taskArns"]
    found: list[dict[str, Any]] = (
        ecs.api.describe_tasks(cluster=ecs.cluster, tasks=arns, include=["TAGS"])["tasks"] if arns else []
    )
    return found


def messages(found: dict[str, Any]) -> list[str]:
    return [event["message"].partition(") ")[2] for event in reversed(found["events"])]


def update(ecs: Ecs, service: dict[str, Any], **changes: Any) -> dict[str, Any]:
    updated: dict[str, Any] = ecs.api.update_service(cluster=ecs.cluster, service=service["serviceName"], **changes)[
        "service"
    ]
    return updated


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_service_runs_what_it_wants_and_boto3_waits_for_it(ecs: Ecs, service: Make) -> None:
    made = service(
        count=3, tags=[{"key": "team", "value": "datos"}], propagateTags="SERVICE", enableECSManagedTags=True
    )
    assert (made["status"], made["desiredCount"], made["runningCount"]) == ("ACTIVE", 3, 0)
    waiter = ecs.api.get_waiter("services_stable")
    waiter.config.delay, waiter.config.max_attempts = 0.1, 300
    waiter.wait(cluster=ecs.cluster, services=[made["serviceName"]])
    running = tasks(ecs, made)
    assert len(running) == 3
    (deployment,) = made["deployments"]
    for task in running:
        assert (task["group"], task["startedBy"]) == (f"service:{made['serviceName']}", deployment["id"])
        tags = {tag["key"]: tag["value"] for tag in task["tags"]}
        assert tags["team"] == "datos"
        assert tags["aws:ecs:serviceName"] == made["serviceName"]
    found = until(ecs, made, steady)
    assert messages(found)[-2:] == [
        f"(deployment {deployment['id']}) deployment completed.",
        "has reached a steady state.",
    ]
    assert found["deployments"][0]["rolloutStateReason"] == f"ECS deployment {deployment['id']} completed."


def test_a_task_that_ends_is_replaced_whoever_ended_it(ecs: Ecs, service: Make) -> None:
    made = service(count=2)
    until(ecs, made, steady)
    (stopped, killed) = (task["taskArn"] for task in tasks(ecs, made))
    ecs.api.stop_task(cluster=ecs.cluster, task=stopped, reason="a probe")
    until(ecs, made, lambda _: stopped not in {task["taskArn"] for task in tasks(ecs, made)})
    found = until(ecs, made, steady)
    now = {task["taskArn"] for task in tasks(ecs, made)}
    assert killed in now
    assert len(now) == 2
    assert found["deployments"][0]["failedTasks"] == 0


def test_scaling_starts_and_stops_without_a_deployment(ecs: Ecs, service: Make) -> None:
    made = service(count=1)
    first = until(ecs, made, steady)
    update(ecs, made, desiredCount=3)
    more = until(ecs, made, lambda found: steady(found) and found["runningCount"] == 3)
    update(ecs, made, desiredCount=1)
    fewer = until(ecs, made, lambda found: steady(found) and found["runningCount"] == 1)
    assert {found["deployments"][0]["id"] for found in (first, more, fewer)} == {first["deployments"][0]["id"]}
    scaled = [task for task in tasks(ecs, made, "STOPPED") if task["stopCode"] == "ServiceSchedulerInitiated"]
    assert [task["stoppedReason"] for task in scaled] == [
        f"Scaling activity initiated by (deployment {first['deployments'][0]['id']})"
    ] * 2


def test_a_new_definition_takes_over_while_enough_tasks_stay_healthy(ecs: Ecs, service: Make) -> None:
    made = service(count=2)
    until(ecs, made, steady)
    family = ecs.define_shell("exec sleep 601")
    updated = update(ecs, made, taskDefinition=family)
    assert [each["status"] for each in updated["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert updated["taskDefinition"].endswith(f"{family}:1")
    seen: list[int] = []

    def done(found: dict[str, Any]) -> bool:
        seen.append(found["runningCount"])
        return steady(found)

    found = until(ecs, made, done)
    assert min(seen) >= 2
    assert max(seen) <= 4
    assert {task["taskDefinitionArn"] for task in tasks(ecs, made)} == {found["taskDefinition"]}


def test_an_update_that_changes_nothing_is_no_deployment_unless_it_is_forced(ecs: Ecs, service: Make) -> None:
    family = ecs.define_shell(SLEEP)
    made = service(family=family)
    before = until(ecs, made, steady)["deployments"][0]["id"]
    same = update(ecs, made, taskDefinition=family, networkConfiguration=ecs.network)
    assert [each["id"] for each in same["deployments"]] == [before]
    forced = update(ecs, made, forceNewDeployment=True)
    assert forced["deployments"][0]["id"] != before
    assert until(ecs, made, steady)["deployments"][0]["id"] == forced["deployments"][0]["id"]


NOWHERE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nowhere:1"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def test_tasks_that_do_not_stay_are_given_up_and_the_service_goes_back(ecs: Ecs, service: Make) -> None:
    made = service(count=2, deploymentConfiguration=BREAKER)
    good = until(ecs, made, steady)["deployments"][0]
    kept = {task["taskArn"] for task in tasks(ecs, made)}
    bad = update(ecs, made, taskDefinition=ecs.define({"image": NOWHERE}))["deployments"][0]
    found = until(ecs, made, lambda found: steady(found) and found["deployments"][0]["id"] == good["id"])
    assert found["taskDefinition"] == good["taskDefinition"]
    said = messages(found)
    assert f"(deployment {bad['id']}) deployment failed: tasks failed to start." in said
    assert f"rolling back to deployment {good['id']}." in said
    assert {task["taskArn"] for task in tasks(ecs, made)} == kept, "the tasks of the good deployment went on"


def test_without_a_way_back_a_failed_deployment_starts_nothing_more(ecs: Ecs, service: Make) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    made = service(family=ecs.define({"image": NOWHERE}), deploymentConfiguration=breaker)
    found = until(ecs, made, lambda found: found["deployments"][0]["rolloutState"] == "FAILED")
    assert found["deployments"][0]["failedTasks"] == 3
    assert found["deployments"][0]["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    ended = len(tasks(ecs, made, "STOPPED"))
    time.sleep(3)
    assert len(tasks(ecs, made, "STOPPED")) == ended == 3


def test_starts_of_a_task_that_does_not_stay_come_at_growing_intervals(ecs: Ecs, service: Make) -> None:
    made = service("exit 1")
    until(ecs, made, lambda _: len(tasks(ecs, made, "STOPPED")) >= 4)
    began = sorted(task["createdAt"].timestamp() for task in tasks(ecs, made, "STOPPED"))
    pauses = [later - earlier for earlier, later in pairwise(began)]
    assert all(pause >= FIRST_PAUSE * 2**number for number, pause in enumerate(pauses)), pauses


@pytest.mark.slow
def test_a_task_that_fails_its_health_checks_is_replaced(ecs: Ecs, service: Make, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    check = {"command": ["CMD-SHELL", f"test ! -e {sick}"], "interval": 5, "retries": 1, "timeout": 2}
    family = ecs.define({"command": ["sh", "-c", SLEEP], "healthCheck": check})
    made = service(family=family)
    time.sleep(1.5)
    assert described(ecs, made)["deployments"][0]["rolloutState"] == "IN_PROGRESS", "not before it was checked"
    until(ecs, made, steady)
    (before,) = tasks(ecs, made)
    sick.touch()
    ecs.stopped(before["taskArn"])
    sick.unlink()
    stopped = ecs.describe(before["taskArn"])
    assert (stopped["stopCode"], stopped["stoppedReason"]) == (
        "ServiceSchedulerInitiated",
        "Task failed container health checks",
    )
    found = until(ecs, made, steady)
    assert f"(task {before['taskArn'].rpartition('/')[2]}) failed container health checks." in messages(found)


def test_a_service_goes_when_its_tasks_have_gone(ecs: Ecs, service: Make) -> None:
    made = service("trap 'sleep 1; exit 0' TERM; while true; do sleep 0.1; done", count=1)
    until(ecs, made, steady)
    named = {"cluster": ecs.cluster, "service": made["serviceName"]}
    assert refused(ecs.api.delete_service, **named) == (
        "InvalidParameterException",
        "The service cannot be stopped while it is scaled above 0.",
    )
    assert ecs.api.delete_service(**named, force=True)["service"]["status"] == "DRAINING"
    assert refused(update, ecs=ecs, service=made, desiredCount=1)[0] == "ServiceNotActiveException"
    waiter = ecs.api.get_waiter("services_inactive")
    waiter.config.delay, waiter.config.max_attempts = 0.1, 300
    waiter.wait(cluster=ecs.cluster, services=[made["serviceArn"]])
    (task,) = ecs.api.describe_tasks(
        cluster=ecs.cluster,
        tasks=ecs.api.list_tasks(
            cluster=ecs.cluster,
            family=made["taskDefinition"].rpartition("/")[2].partition(":")[0],
            desiredStatus="STOPPED",
        )["taskArns"],
    )["tasks"]
    assert task["lastStatus"] == "STOPPED"
    assert made["serviceArn"] not in ecs.api.list_services(cluster=ecs.cluster, maxResults=100)["serviceArns"]
    assert refused(ecs.api.delete_service, **named)[0] == "ServiceNotFoundException"


def test_a_cluster_with_a_service_is_counted_and_stays(ecs: Ecs, service: Make) -> None:
    service(count=0)
    (cluster,) = ecs.api.describe_clusters(clusters=[ecs.cluster], include=["STATISTICS"])["clusters"]
    statistics = {item["name"]: int(item["value"]) for item in cluster["statistics"]}
    assert cluster["activeServicesCount"] == statistics["activeFargateServiceCount"] >= 1
    assert refused(ecs.api.delete_cluster, cluster=ecs.cluster) == (
        "ClusterContainsServicesException",
        "The Cluster cannot be deleted while Services are active.",
    )


def test_the_same_request_finds_its_service_and_another_is_refused(ecs: Ecs, service: Make) -> None:
    family = ecs.define_shell(SLEEP)
    made = service(family=family)
    assert service(family=family)["serviceArn"] == made["serviceArn"]
    with pytest.raises(ClientError, match=r"Creation of service was not idempotent\."):
        service(family=family, count=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"serviceName": "no space"}, "Service name must have 1 to 255 characters"),
        ({"schedulingStrategy": "DAEMON"}, "The daemon scheduling strategy is not supported with Fargate launch type."),
        ({"deploymentController": {"type": "EXTERNAL"}}, "Only the deployment controller ECS runs here"),
        ({"deploymentConfiguration": {"maximumPercent": 100}}, "cannot be 100 as this will block deployments."),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 101}},
            "minimumHealthyPercent must be between 0 and 100.",
        ),
        ({"count": 5001}, "desiredCount must be between 0 and 5000."),
        ({"launchType": "EC2"}, "No Container Instances were found in your cluster."),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}}, "subnet-0"),
    ],
)
def test_what_a_service_cannot_be_is_refused(service: Make, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as raised:
        service(**settings)
    assert message in raised.value.response["Error"]["Message"]


def test_services_are_listed_by_pages_and_unknown_ones_are_missing(ecs: Ecs) -> None:
    cluster = "pages"
    ecs.api.create_cluster(clusterName=cluster)
    for number in range(3):
        create(ecs, f"s{number}", count=0, cluster=cluster)
    pages = ecs.api.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 2})
    assert [[arn.rpartition("/")[2] for arn in page["serviceArns"]] for page in pages] == [["s0", "s1"], ["s2"]]
    answer = ecs.api.describe_services(cluster=cluster, services=["s1", "nobody"])
    assert [found["serviceName"] for found in answer["services"]] == ["s1"]
    assert [(each["arn"].rpartition("/")[2], each["reason"]) for each in answer["failures"]] == [("nobody", "MISSING")]


def test_tags_of_a_service_change(ecs: Ecs, service: Make) -> None:
    arn = service(count=0, tags=[{"key": "a", "value": "1"}])["serviceArn"]
    ecs.api.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}])
    ecs.api.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecs.api.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    answer = ecs.api.describe_services(cluster=ecs.cluster, services=[arn], include=["TAGS"])
    assert answer["services"][0]["tags"] == [{"key": "b", "value": "2"}]


def test_what_becomes_of_a_service_is_on_the_bus(ecs: Ecs, service: Make) -> None:
    sqs, events = ecs.client("sqs"), ecs.client("events")
    queue = sqs.create_queue(QueueName="of-services")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kinds = ["ECS Deployment State Change", "ECS Service Action"]
    events.put_rule(Name="of-services", EventPattern=json.dumps({"source": ["aws.ecs"], "detail-type": kinds}))
    events.put_targets(Rule="of-services", Targets=[{"Id": "queue", "Arn": arn}])
    made = service()
    until(ecs, made, steady)
    told: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + DEADLINE
    while len(told) < 2:
        assert time.monotonic() < deadline, told
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            event = json.loads(message["Body"])
            told[event["detail"]["eventName"]] = event
    assert told["SERVICE_STEADY_STATE"]["resources"] == [made["serviceArn"]]
    assert told["SERVICE_DEPLOYMENT_COMPLETED"]["detail"]["deploymentId"] == made["deployments"][0]["id"]
    events.remove_targets(Rule="of-services", Ids=["queue"])
    events.delete_rule(Name="of-services")


def test_a_restarted_server_brings_its_services_tasks_back(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        first = Ecs(cloud)
        made = create(first, "web", count=2)
        until(first, made, steady)
        before = {task["taskArn"] for task in tasks(first, made)}
    with FargateLocal(state_dir=tmp_path) as cloud:
        second = Ecs(cloud)
        found = until(second, made, lambda found: found["runningCount"] == 2)
        assert found["deployments"][0]["id"] == made["deployments"][0]["id"]
        assert found["deployments"][0]["failedTasks"] == 0
        assert before.isdisjoint({task["taskArn"] for task in tasks(second, made)})


def template(ecs: Ecs, family: str, count: str) -> str:
    properties = {
        "Cluster": {"Ref": "Cluster"},
        "ServiceName": "web",
        "TaskDefinition": {"Fn::Sub": f"{family}:1"},
        "DesiredCount": count,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [ecs.subnet], "AssignPublicIp": "DISABLED"}},
        "DeploymentConfiguration": {"DeploymentCircuitBreaker": {"Enable": "true", "Rollback": "true"}},
        "EnableECSManagedTags": "true",
        "Tags": [{"Key": "team", "Value": "datos"}],
    }
    cluster = {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "of-the-stack"}}
    resources = {"Cluster": cluster, "Web": {"Type": "AWS::ECS::Service", "Properties": properties}}
    return json.dumps({"Resources": resources, "Outputs": {"Web": {"Value": {"Ref": "Web"}}}})


def test_a_templates_service_is_made_changed_and_deleted_with_its_stack(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud, "of-the-stack")
        ecs.api.delete_cluster(cluster=ecs.cluster)
        stacks = ecs.client("cloudformation")
        families = [ecs.define_shell(SLEEP) for _ in range(2)]
        stacks.create_stack(StackName="web", TemplateBody=template(ecs, families[0], "2"))
        stacks.get_waiter("stack_create_complete").wait(StackName="web", WaiterConfig={"Delay": 1})
        (output,) = stacks.describe_stacks(StackName="web")["Stacks"][0]["Outputs"]
        made = {"serviceArn": output["OutputValue"], "serviceName": "web"}
        found = described(ecs, made)
        assert steady(found), "the stack waited for it"
        assert found["runningCount"] == 2
        assert found["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert ecs.api.list_tags_for_resource(resourceArn=found["serviceArn"])["tags"] == [
            {"key": "team", "value": "datos"}
        ]

        stacks.update_stack(StackName="web", TemplateBody=template(ecs, families[1], "1"))
        stacks.get_waiter("stack_update_complete").wait(StackName="web", WaiterConfig={"Delay": 1})
        found = described(ecs, made)
        assert found["taskDefinition"].endswith(f"{families[1]}:1")
        assert found["runningCount"] == 1
        update(ecs, made, desiredCount=3)
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud, "of-the-stack")
        found = until(ecs, made, lambda found: found["runningCount"] == 3)
        assert found["desiredCount"] == 3, "what the template wanted before is not wanted again"
        stacks = ecs.client("cloudformation")
        stacks.delete_stack(StackName="web")
        stacks.create_stack(StackName="web", TemplateBody=template(ecs, families[0], "1"))
        stacks.get_waiter("stack_create_complete").wait(StackName="web", WaiterConfig={"Delay": 1})
        assert described(ecs, made)["runningCount"] == 1, "the last one of the name had ended"
