"""Clusters and task definitions of a CloudFormation template are what the template says."""

import json
from typing import Any

import pytest
from tests.support.cloud import MakeCloud

NAMED: dict[str, Any] = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
TEMPLATE = {
    "Resources": {
        "Cluster": {
            "Type": "AWS::ECS::Cluster",
            "Properties": {
                "ClusterName": "from-a-template",
                "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                "Tags": [{"Key": "team", "Value": "data"}],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "from-a-template", "AssumeRolePolicyDocument": {"Statement": []}},
        },
        "Definition": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": "from-a-template",
                "Cpu": "256",
                "Memory": "512",
                "NetworkMode": "awsvpc",
                "RequiresCompatibilities": ["FARGATE"],
                "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "RuntimePlatform": {"CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX"},
                "ContainerDefinitions": [{"Name": "main", "Image": "host", "Command": ["true"], "Essential": True}],
            },
        },
    }
}


def test_a_template_loses_nothing_and_its_task_runs_on_spot(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    cloudformation = ecs.client("cloudformation")
    cloudformation.create_stack(
        StackName="all", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    made = ecs.api.describe_task_definition(taskDefinition="from-a-template")["taskDefinition"]
    assert (made["cpu"], made["memory"], made["networkMode"]) == ("256", "512", "awsvpc")
    assert made["requiresCompatibilities"] == ["FARGATE"]
    assert made["executionRoleArn"].endswith(":role/from-a-template")
    assert made["runtimePlatform"] == {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
    (cluster,) = ecs.api.describe_clusters(clusters=["from-a-template"], include=["TAGS"])["clusters"]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert cluster["tags"] == [{"key": "team", "value": "data"}]
    answer = ecs.api.run_task(
        cluster="from-a-template",
        taskDefinition="from-a-template",
        networkConfiguration=ecs.network,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    )
    assert answer["failures"] == []
    assert answer["tasks"][0]["cpu"] == "256"


@pytest.mark.slow
def test_an_update_of_the_template_is_a_new_revision_with_all_of_it(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    cloudformation = ecs.client("cloudformation")
    cloudformation.create_stack(
        StackName="all", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Definition"]["Properties"]["Memory"] = "1024"
    cloudformation.update_stack(
        StackName="all", TemplateBody=json.dumps(changed), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    made = ecs.api.describe_task_definition(taskDefinition="from-a-template")["taskDefinition"]
    assert (made["revision"], made["cpu"], made["memory"]) == (2, "256", "1024")


PULL = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def role_template(managed: list[object], action: str, service: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}],
    }
    own = {"ManagedPolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    role = {
        "RoleName": "of-the-stack",
        "AssumeRolePolicyDocument": trust,
        "ManagedPolicyArns": managed,
        "Policies": [{"PolicyName": action.partition(":")[0], "PolicyDocument": own["PolicyDocument"]}],
    }
    resources = {
        "Own": {"Type": "AWS::IAM::ManagedPolicy", "Properties": own},
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
    }
    return json.dumps({"Resources": resources})


def test_a_role_has_the_policies_and_the_trust_of_its_template_after_an_update_too(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    stacks, iam = ecs.client("cloudformation"), ecs.client("iam")

    def attached() -> set[str]:
        found = iam.list_attached_role_policies(RoleName="of-the-stack")["AttachedPolicies"]
        return {policy["PolicyArn"].rpartition("/")[2] for policy in found}

    first = role_template([PULL, {"Ref": "Own"}], "s3:GetObject", "ecs-tasks.amazonaws.com")
    stacks.create_stack(StackName="roles", TemplateBody=first, **NAMED)
    assert attached() == {"AmazonECSTaskExecutionRolePolicy", "own"}
    assert iam.list_role_policies(RoleName="of-the-stack")["PolicyNames"] == ["s3"]

    second = role_template([PULL, READ], "logs:PutLogEvents", "events.amazonaws.com")
    stacks.update_stack(StackName="roles", TemplateBody=second, **NAMED)
    assert attached() == {"AmazonECSTaskExecutionRolePolicy", "AmazonS3ReadOnlyAccess"}
    assert iam.list_role_policies(RoleName="of-the-stack")["PolicyNames"] == ["logs"]
    trust = iam.get_role(RoleName="of-the-stack")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "events.amazonaws.com"}


def test_a_role_with_a_policy_that_does_not_exist_fails_its_stack(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    stacks = ecs.client("cloudformation")
    template = role_template(["arn:aws:iam::aws:policy/NoSuchPolicy"], "s3:GetObject", "ecs-tasks.amazonaws.com")
    stacks.create_stack(StackName="roles", TemplateBody=template, **NAMED)
    (stack,) = stacks.describe_stacks(StackName="roles")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.describe_stack_events(StackName="roles")["StackEvents"]
    (failed,) = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "NoSuchPolicy does not exist or is not attachable" in failed["ResourceStatusReason"]
    roles = {role["RoleName"] for role in ecs.client("iam").list_roles()["Roles"]}
    assert "of-the-stack" not in roles
