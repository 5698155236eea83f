"""RunTask: what it makes, what it refuses, and in which words.

API reference RunTask ("Errors", "Request Parameters") and "Ensuring idempotency"; developer guide "Amazon ECS API
failure reasons" and "Task CPU and memory". Read November 2026.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.cloud import AddFault, Ecs, MakeCloud, refusal


@pytest.fixture(scope="module")
def family(ecs: Ecs) -> str:
    return ecs.define_shell("true")


@pytest.fixture(scope="module")
def sleeper(ecs: Ecs) -> str:
    return ecs.define_shell("sleep 60")


def test_the_answer_describes_a_task_that_is_being_provisioned(ecs: Ecs, family: str) -> None:
    answer = ecs.api.run_task(**ecs.request(family, startedBy="me", group="batch", tags=[{"key": "a", "value": "b"}]))
    (task,) = answer["tasks"]
    assert answer["failures"] == []
    assert task["lastStatus"] == "PROVISIONING"
    assert task["desiredStatus"] == "RUNNING"
    assert task["launchType"] == "FARGATE"
    assert task["platformVersion"] == "1.4.0"
    assert (task["cpu"], task["memory"]) == ("256", "512")
    assert (task["startedBy"], task["group"]) == ("me", "batch")
    assert task["tags"] == [{"key": "a", "value": "b"}]
    assert task["taskArn"].startswith(f"arn:aws:ecs:us-east-1:123456789012:task/{ecs.cluster}/")


def test_count_makes_that_many_tasks(ecs: Ecs, family: str) -> None:
    arns = {task["taskArn"] for task in ecs.api.run_task(**ecs.request(family, count=3))["tasks"]}
    assert len(arns) == 3


def test_the_latest_active_revision_runs_when_none_is_named(ecs: Ecs) -> None:
    family = ecs.define({"command": ["true"]})
    ecs.define({"command": ["false"]}, family=family)
    ecs.define({"command": ["no-such-program"]}, family=family)
    ecs.api.deregister_task_definition(taskDefinition=f"{family}:3")
    task = ecs.finish(family)
    assert task["taskDefinitionArn"].endswith(f"{family}:2")
    assert task["containers"][0]["exitCode"] == 1


def test_a_revision_runs_by_family_and_number_and_by_arn(ecs: Ecs) -> None:
    family = ecs.define({"command": ["true"]})
    arn = ecs.define({"command": ["false"]}, family=family)
    arn = ecs.api.describe_task_definition(taskDefinition=f"{family}:1")["taskDefinition"]["taskDefinitionArn"]
    for name in (f"{family}:1", arn):
        assert ecs.finish(name)["containers"][0]["exitCode"] == 0


def test_overrides_change_command_environment_size_and_role(ecs: Ecs) -> None:
    role = ecs.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    family = ecs.define(
        {
            "command": ["false"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "logged": True,
        }
    )
    task = ecs.finish(
        family,
        overrides={
            "cpu": "512",
            "memory": "1024",
            "taskRoleArn": role,
            "ephemeralStorage": {"sizeInGiB": 30},
            "containerOverrides": [
                {
                    "name": "app",
                    "command": ["sh", "-c", 'echo "$A $B $C"; echo $AWS_CONTAINER_CREDENTIALS_FULL_URI'],
                    "environment": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
                }
            ],
        },
    )
    lines = ecs.logs(task["taskArn"])
    assert lines[0] == "1 3 4"
    assert "/v2/credentials/" in lines[1]
    assert (task["cpu"], task["memory"]) == ("512", "1024")
    assert task["ephemeralStorage"] == {"sizeInGiB": 30}
    assert task["overrides"]["taskRoleArn"] == role


def test_tags_of_the_definition_are_propagated_on_request(ecs: Ecs) -> None:
    family = ecs.define({"command": ["true"]}, tags=[{"key": "team", "value": "data"}, {"key": "a", "value": "old"}])
    plain = ecs.run(family)
    tagged = ecs.run(family, propagateTags="TASK_DEFINITION", tags=[{"key": "a", "value": "new"}])
    assert ecs.describe(plain)["tags"] == []
    tags = {tag["key"]: tag["value"] for tag in ecs.describe(tagged)["tags"]}
    assert tags == {"team": "data", "a": "new"}


def test_a_capacity_provider_strategy_chooses_spot(ecs: Ecs, family: str) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    answer = ecs.api.run_task(**ecs.request(family, launchType=None, capacityProviderStrategy=strategy))
    assert answer["tasks"][0]["capacityProviderName"] == "FARGATE_SPOT"


def test_the_same_token_and_request_give_the_same_task_also_after_it_stopped(ecs: Ecs, family: str) -> None:
    first = ecs.run(family, clientToken="token-of-one-task")
    ecs.stopped(first)
    again = ecs.api.run_task(**ecs.request(family, clientToken="token-of-one-task"))["tasks"]
    assert [task["taskArn"] for task in again] == [first]
    assert again[0]["lastStatus"] == "STOPPED"


def test_the_same_token_with_other_parameters_is_a_conflict_that_names_the_tasks(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family, clientToken="token-of-two")
    with pytest.raises(ecs.api.exceptions.ConflictException) as caught:
        ecs.run(family, clientToken="token-of-two", startedBy="someone-else")
    assert caught.value.response["resourceIds"] == [arn]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_token_makes_one_task_however_many_ask_at_once(ecs: Ecs, family: str) -> None:
    def ask(_: Any) -> Any:
        api = ecs.client("ecs")
        return api.run_task(**ecs.request(family, clientToken="token-of-many"))["tasks"][0]["taskArn"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1


def test_a_token_is_free_again_when_no_task_came_of_it(ecs: Ecs, family: str, fargate_faults: AddFault) -> None:
    fargate_faults("capacity", family=family, times=1)
    request = ecs.request(family, clientToken="token-of-none")
    assert ecs.api.run_task(**request)["tasks"] == []
    assert len(ecs.api.run_task(**request)["tasks"]) == 1


def test_an_unknown_cluster_is_refused(ecs: Ecs, family: str) -> None:
    assert refusal(ecs.api.run_task, **ecs.request(family, cluster="nowhere")) == (
        "ClusterNotFoundException",
        400,
        "Cluster not found.",
    )


def test_an_unknown_definition_is_refused(ecs: Ecs) -> None:
    expected = ("ClientException", 400, "TaskDefinition not found.")
    for name in ("no-such-family", "no-such-family:1", "no such:family:at:all"):
        assert refusal(ecs.api.run_task, **ecs.request(name)) == expected


def test_an_inactive_definition_is_refused(ecs: Ecs) -> None:
    family = ecs.define({"command": ["true"]})
    ecs.api.deregister_task_definition(taskDefinition=f"{family}:1")
    assert refusal(ecs.api.run_task, **ecs.request(f"{family}:1"))[::2] == (
        "ClientException",
        "TaskDefinition is inactive",
    )


@pytest.mark.parametrize(
    ("parameters", "name", "message"),
    [
        ({"count": 11}, "InvalidParameterException", "Tasks count cannot be more than 10."),
        ({"count": 0}, "InvalidParameterException", "Invalid count value"),
        ({"clientToken": "x" * 65}, "InvalidParameterException", "clientToken length must be between 1 and 64"),
        ({"clientToken": "with space"}, "InvalidParameterException", "clientToken"),
        ({"startedBy": "x" * 129}, "InvalidParameterException", "startedBy length must be at most 128"),
        ({"launchType": "MARS"}, "ClientException", "launch type should be one of [EC2,FARGATE,"),
        ({"launchType": "EC2"}, "InvalidParameterException", "No Container Instances were found in your cluster."),
        ({"platformVersion": "9.9.9"}, "PlatformUnknownException", "platform version does not exist"),
        ({"propagateTags": "SERVICE"}, "InvalidParameterException", "propagateTags"),
        ({"tags": [{"key": "aws:x", "value": "y"}]}, "InvalidParameterException", "reserved for system use"),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]},
            "InvalidParameterException",
            "Specifying both a launch type and capacity provider strategy is not supported.",
        ),
        (
            {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "MOON", "weight": 1}]},
            "InvalidParameterException",
            "The specified capacity provider 'MOON' was not found.",
        ),
        (
            {"networkConfiguration": None},
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
            "InvalidParameterException",
            "subnets can not be empty.",
        ),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-00000000"]}}},
            "InvalidParameterException",
            "Error retrieving subnet information for [subnet-00000000]: The subnet ID 'subnet-00000000' does not exist"
            " (ErrorCode: InvalidSubnetID.NotFound)",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "ghost", "command": ["true"]}]}},
            "InvalidParameterException",
            "Override for container named ghost is not a container in the TaskDefinition.",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "command": ["x" * 8192]}]}},
            "InvalidParameterException",
            "Container Overrides length must be at most 8192",
        ),
        (
            {"overrides": {"cpu": "256", "memory": "8192"}},
            "ClientException",
            "No Fargate configuration exists for given values: 256 CPU, 8192 memory.",
        ),
        (
            {"overrides": {"taskRoleArn": "arn:aws:iam::123456789012:role/ghost"}},
            "ClientException",
            "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/ghost'",
        ),
    ],
)
def test_a_bad_parameter_is_refused_with_ecss_error(
    ecs: Ecs, family: str, parameters: Any, name: str, message: str
) -> None:
    code, status, text = refusal(ecs.api.run_task, **ecs.request(family, **parameters))
    assert (code, status) == (name, 400)
    assert message in text


def test_a_security_group_must_exist(ecs: Ecs, family: str) -> None:
    network = {"awsvpcConfiguration": {"subnets": [ecs.subnet], "securityGroups": ["sg-00000000"]}}
    code, status, text = refusal(ecs.api.run_task, **ecs.request(family, networkConfiguration=network))
    assert (code, status) == ("InvalidParameterException", 400)
    assert "Error retrieving security group information for [sg-00000000]" in text
    assert "InvalidGroup.NotFound" in text


def test_a_security_group_must_be_in_the_subnets_vpc(ecs: Ecs, family: str) -> None:
    ec2 = ecs.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="elsewhere", Description="x", VpcId=vpc)["GroupId"]
    network = {"awsvpcConfiguration": {"subnets": [ecs.subnet], "securityGroups": [group]}}
    assert "same VPC" in refusal(ecs.api.run_task, **ecs.request(family, networkConfiguration=network))[2]


def test_addresses_come_from_the_subnet(ecs: Ecs, family: str) -> None:
    ec2 = ecs.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.78.5.0/24")["Subnet"]["SubnetId"]
    network = {"awsvpcConfiguration": {"subnets": [subnet]}}
    (task,) = ecs.api.run_task(**ecs.request(family, networkConfiguration=network))["tasks"]
    assert task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"].startswith("10.78.5.")


def test_tasks_missing_from_the_cluster_are_failures_not_errors(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family)
    ghost = arn[:-4] + "0000"
    answer = ecs.api.describe_tasks(cluster=ecs.cluster, tasks=[arn, ghost])
    assert [task["taskArn"] for task in answer["tasks"]] == [arn]
    assert answer["failures"] == [{"arn": ghost, "reason": "MISSING"}]


def test_a_task_is_described_by_its_id_too(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family)
    assert ecs.describe(arn.rsplit("/", 1)[-1])["taskArn"] == arn


def test_a_task_of_another_cluster_is_missing(ecs: Ecs, family: str) -> None:
    ecs.api.create_cluster(clusterName="elsewhere")
    answer = ecs.api.describe_tasks(cluster="elsewhere", tasks=[ecs.run(family)])
    assert answer["tasks"] == []
    assert answer["failures"][0]["reason"] == "MISSING"


def test_tags_are_described_only_when_asked_for(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family, tags=[{"key": "a", "value": "b"}])
    (plain,) = ecs.api.describe_tasks(cluster=ecs.cluster, tasks=[arn])["tasks"]
    assert plain["tags"] == []
    assert ecs.describe(arn)["tags"] == [{"key": "a", "value": "b"}]


def test_no_more_than_a_hundred_tasks_are_described_at_once(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family)
    many = [f"{arn[:-4]}{number:04}" for number in range(101)]
    assert refusal(ecs.api.describe_tasks, cluster=ecs.cluster, tasks=many) == (
        "InvalidParameterException",
        400,
        "Tasks can have at most 100 items.",
    )


def test_no_tasks_cannot_be_described(ecs: Ecs) -> None:
    assert refusal(ecs.api.describe_tasks, cluster=ecs.cluster, tasks=[])[2] == "Tasks cannot be empty."


def test_list_tasks_filters_by_family_started_by_status_and_launch_type(ecs: Ecs) -> None:
    quick, slow = ecs.define_shell("true"), ecs.define_shell("sleep 60")
    stopped = ecs.finish(quick, startedBy="lister")["taskArn"]
    running = ecs.run(slow, startedBy="lister")

    def listed(**filters: str) -> Any:
        return ecs.api.list_tasks(cluster=ecs.cluster, **filters)["taskArns"]

    assert listed(family=slow) == [running]
    assert listed(family=quick) == []
    assert listed(family=quick, desiredStatus="STOPPED") == [stopped]
    assert listed(startedBy="lister") == [running]
    assert listed(startedBy="lister", desiredStatus="STOPPED") == [stopped]
    assert listed(family=slow, launchType="FARGATE", desiredStatus="RUNNING") == [running]
    assert listed(family=slow, launchType="EC2") == []
    assert listed(startedBy="lister", desiredStatus="PENDING") == []
    ecs.api.stop_task(cluster=ecs.cluster, task=running)
    ecs.stopped(running)


def test_list_tasks_gives_pages(ecs: Ecs) -> None:
    family = ecs.define_shell("true")
    arns = [task["taskArn"] for _ in range(3) for task in ecs.api.run_task(**ecs.request(family, count=10))["tasks"]]
    for arn in arns:
        ecs.stopped(arn)
    pages = list(
        ecs.api.get_paginator("list_tasks").paginate(
            cluster=ecs.cluster, family=family, desiredStatus="STOPPED", PaginationConfig={"PageSize": 7}
        )
    )
    assert [len(page["taskArns"]) for page in pages] == [7, 7, 7, 7, 2]
    assert [arn for page in pages for arn in page["taskArns"]] == arns


def test_a_page_token_must_be_one_of_ours(ecs: Ecs) -> None:
    for token in ("nonsense", "dGFza3MtYWZ0ZXI6eA=="):
        code, status, _ = refusal(ecs.api.list_tasks, cluster=ecs.cluster, nextToken=token)
        assert (code, status) == ("InvalidParameterException", 400)


def test_a_page_has_1_to_100_tasks(ecs: Ecs) -> None:
    for size in (0, 101):
        code, status, _ = refusal(ecs.api.list_tasks, cluster=ecs.cluster, maxResults=size)
        assert (code, status) == ("InvalidParameterException", 400)


def test_stopping_an_unknown_task_is_refused(ecs: Ecs, family: str) -> None:
    ghost = ecs.run(family)[:-4] + "0000"
    assert refusal(ecs.api.stop_task, cluster=ecs.cluster, task=ghost) == (
        "InvalidParameterException",
        400,
        "The referenced task was not found.",
    )


def test_stopping_a_stopped_task_changes_nothing(ecs: Ecs, family: str) -> None:
    before = ecs.finish(family)
    after = ecs.api.stop_task(cluster=ecs.cluster, task=before["taskArn"], reason="too late")["task"]
    assert after["stoppedReason"] == before["stoppedReason"]
    assert after["version"] == before["version"]


def test_a_clusters_running_and_pending_tasks_are_counted(ecs: Ecs, sleeper: str, fargate_faults: AddFault) -> None:
    stuck = ecs.define_shell("true")
    fargate_faults("stuck", family=stuck)
    ecs.api.create_cluster(clusterName="counted")
    running = ecs.run(sleeper, cluster="counted")
    pending = ecs.run(stuck, cluster="counted")
    while ecs.api.describe_tasks(cluster="counted", tasks=[running])["tasks"][0]["lastStatus"] != "RUNNING":
        pass
    (cluster,) = ecs.api.describe_clusters(clusters=["counted"])["clusters"]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (1, 1)
    assert refusal(ecs.api.delete_cluster, cluster="counted") == (
        "ClusterContainsTasksException",
        400,
        "The Cluster cannot be deleted while Tasks are active.",
    )
    for arn in (running, pending):
        ecs.api.stop_task(cluster="counted", task=arn)


def test_a_task_can_be_tagged_while_it_lives(ecs: Ecs, sleeper: str) -> None:
    arn = ecs.run(sleeper, tags=[{"key": "a", "value": "1"}])
    ecs.api.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}, {"key": "a", "value": "3"}])
    ecs.api.untag_resource(resourceArn=arn, tagKeys=["zzz"])
    expected = [{"key": "a", "value": "3"}, {"key": "b", "value": "2"}]
    assert ecs.api.list_tags_for_resource(resourceArn=arn)["tags"] == expected
    assert ecs.describe(arn)["tags"] == expected
    ecs.api.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecs.describe(arn)["tags"] == [{"key": "b", "value": "2"}]
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)


def test_account_settings_that_nobody_changed_are_those_of_ecs(ecs: Ecs) -> None:
    (setting,) = ecs.api.list_account_settings(name="taskLongArnFormat", effectiveSettings=True)["settings"]
    assert setting["value"] == "enabled"
    assert ecs.api.list_account_settings(name="awsvpcTrunking")["settings"] == []
    ecs.api.put_account_setting(name="awsvpcTrunking", value="enabled")
    (changed,) = ecs.api.list_account_settings(name="awsvpcTrunking", effectiveSettings=True)["settings"]
    assert changed["value"] == "enabled"
    disabled = ecs.api.list_account_settings(value="disabled", effectiveSettings=True)["settings"]
    assert disabled
    assert "awsvpcTrunking" not in {setting["name"] for setting in disabled}
    ecs.api.delete_account_setting(name="awsvpcTrunking")


def test_a_deleted_cluster_is_listed_no_more(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    ecs.api.create_cluster(clusterName="gone")
    ecs.api.delete_cluster(cluster="gone")
    assert [arn.rpartition("/")[2] for arn in ecs.api.list_clusters()["clusterArns"]] == [ecs.cluster]
    ecs.api.delete_cluster(cluster=ecs.cluster)
    assert ecs.api.list_clusters()["clusterArns"] == []


def test_a_service_needs_no_security_groups(ecs: Ecs, family: str) -> None:
    answer = ecs.api.create_service(
        cluster=ecs.cluster,
        serviceName="plain",
        taskDefinition=family,
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=ecs.network,
    )
    subnets = answer["service"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    assert subnets == [ecs.subnet]


def test_started_by_may_hold_spaces(ecs: Ecs, family: str) -> None:
    arn = ecs.run(family, startedBy="ECS Deploy")
    assert ecs.describe(arn)["startedBy"] == "ECS Deploy"
