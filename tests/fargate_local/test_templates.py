"""Clusters and task definitions of a CloudFormation template are what the template says."""

import json

import pytest
from tests.support.cloud import MakeCloud

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
    cloudformation.create_stack(StackName="all", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
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
    cloudformation.create_stack(StackName="all", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Definition"]["Properties"]["Memory"] = "1024"
    cloudformation.update_stack(StackName="all", TemplateBody=json.dumps(changed), Capabilities=["CAPABILITY_IAM"])
    made = ecs.api.describe_task_definition(taskDefinition="from-a-template")["taskDefinition"]
    assert (made["revision"], made["cpu"], made["memory"]) == (2, "256", "1024")
