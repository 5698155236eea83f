"""What launchers ask of ECS's neighbours before and while their tasks run: clusters, interfaces, AWS's own policies."""

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs, MakeCloud

EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def interfaces_of(ecs: Ecs, task: Any) -> Any:
    """As github.com/dagster-io/dagster looks for them (``dagster_aws/ecs/tasks.py``, ``default_ecs_task_metadata``)."""
    ec2 = boto3.resource("ec2", **ecs.cloud.client_args)
    return [
        ec2.NetworkInterface(detail["value"])
        for attachment in task["attachments"]
        if attachment["type"] == "ElasticNetworkInterface"
        for detail in attachment["details"]
        if detail["name"] == "networkInterfaceId"
    ]


def gone(interface: Any) -> Any:
    try:
        interface.load()
    except ClientError as error:
        return error.response["Error"]["Code"] == "InvalidNetworkInterfaceID.NotFound"
    return False


@pytest.mark.parametrize("public", ["ENABLED", "DISABLED"])
def test_a_tasks_network_interface_is_one_of_ec2_and_goes_with_it(ecs: Ecs, public: Any) -> None:
    ec2 = ecs.client("ec2")
    group = ec2.create_security_group(GroupName=f"eni {public}", Description="x")["GroupId"]
    network = {"subnets": [ecs.subnet], "securityGroups": [group], "assignPublicIp": public}
    arn = ecs.shell("sleep 60", networkConfiguration={"awsvpcConfiguration": network})
    task = ecs.until_status(arn, "RUNNING")
    (found,) = interfaces_of(ecs, task)
    described = {item["name"]: item["value"] for item in task["attachments"][0]["details"]}
    assert found.private_ip_address == described["privateIPv4Address"]
    assert (found.mac_address, found.subnet_id) == (described["macAddress"], ecs.subnet)
    assert (found.status, found.requester_managed) == ("in-use", True)
    assert [each["GroupId"] for each in found.groups] == [group]
    assert bool((found.association_attribute or {}).get("PublicIp")) == (public == "ENABLED")
    by_group = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])
    assert [each["NetworkInterfaceId"] for each in by_group["NetworkInterfaces"]] == [found.id]
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)
    deadline = time.monotonic() + 10
    while not gone(found):
        assert time.monotonic() < deadline


def test_a_cluster_is_described_with_what_was_asked_for(ecs: Ecs) -> Any:
    """API reference of ECS, DescribeClusters and Cluster."""
    made = ecs.api.create_cluster(clusterName="described", tags=[{"key": "team", "value": "data"}])["cluster"]
    ecs.api.tag_resource(resourceArn=made["clusterArn"], tags=[{"key": "stage", "value": "test"}])
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    ecs.api.put_cluster_capacity_providers(
        cluster="described", capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=strategy
    )

    def described(*include: Any) -> Any:
        return ecs.api.describe_clusters(clusters=["described"], include=list(include))["clusters"][0]

    plain = described()
    assert (plain["tags"], plain["settings"], plain["statistics"]) == ([], [], [])
    assert plain["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert plain["defaultCapacityProviderStrategy"] == strategy
    assert {tag["key"]: tag["value"] for tag in described("TAGS")["tags"]} == {"team": "data", "stage": "test"}
    assert described("SETTINGS")["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    statistics = {item["name"]: item["value"] for item in described("STATISTICS")["statistics"]}
    assert statistics["runningFargateTasksCount"] == "0"
    assert len(statistics) == 8


def test_a_cluster_without_anything_has_empty_lists(ecs: Ecs) -> None:
    """github.com/dask/dask-cloudprovider reads ``cluster["tags"]`` of all clusters (``_cleanup_stale_resources``)."""
    ecs.api.create_cluster(clusterName="bare")
    bare = ecs.api.describe_clusters(clusters=["bare"], include=["TAGS"])["clusters"][0]
    assert (bare["tags"], bare["capacityProviders"], bare["defaultCapacityProviderStrategy"]) == ([], [], [])


def test_the_roles_of_dask_cloudprovider_are_made(ecs: Ecs) -> None:
    """github.com/dask/dask-cloudprovider, ``aws/ecs.py``: ``_create_execution_role`` and ``_create_task_role``."""
    iam = ecs.client("iam")
    policies = {
        "dask-execution": [
            "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly",
            "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess",
            "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceRole",
        ],
        "dask-task": [],
    }
    for role, arns in policies.items():
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
        for arn in arns:
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert sorted(each["PolicyArn"] for each in attached) == sorted(arns)
        for arn in arns:
            iam.detach_role_policy(RoleName=role, PolicyArn=arn)
        iam.delete_role(RoleName=role)


def test_an_execution_role_has_the_policy_of_the_developer_guide(ecs: Ecs) -> None:
    """The policy is the one of the developer guide, "Amazon ECS task execution IAM role"."""
    iam = ecs.client("iam")
    found = iam.get_policy(PolicyArn=EXECUTION)["Policy"]
    document = iam.get_policy_version(PolicyArn=EXECUTION, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    assert "ecr:GetAuthorizationToken" in json.dumps(document["Document"])
    iam.create_role(RoleName="guided", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="guided", PolicyArn=EXECUTION)
    names = [
        each["PolicyName"]
        for page in iam.get_paginator("list_policies").paginate(Scope="AWS")
        for each in page["Policies"]
    ]
    assert len(names) > 1000
    assert "AmazonECSTaskExecutionRolePolicy" in names


@pytest.mark.slow
def test_what_was_attached_is_attached_after_a_restart(make_cloud: MakeCloud, tmp_path: Path) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    iam = ecs.client("iam")
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="kept", PolicyArn=EXECUTION)
    identifier = iam.get_policy(PolicyArn=EXECUTION)["Policy"]["PolicyId"]
    ecs.cloud.stop()
    iam = make_cloud(state_dir=tmp_path).client("iam")
    attached = iam.list_attached_role_policies(RoleName="kept")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [EXECUTION]
    assert iam.get_policy(PolicyArn=EXECUTION)["Policy"]["PolicyId"] == identifier
