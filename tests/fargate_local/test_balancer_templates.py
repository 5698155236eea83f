"""Load balancers of a CloudFormation template forward to the template's service, and go with the stack."""

import json
import sys
from typing import Any

import httpx
import pytest
from tests.support.balancer import SERVER, until
from tests.support.cloud import Ecs, MakeCloud

from fargate_local.admin_client import ask


def template(ecs: Ecs, **changes: Any) -> str:
    variables = {"FARGATE_LOCAL_PORT_8080": "8080", "VERSION": "1", "PAUSE": "0", "SICK": "/none"}
    network = {"AwsvpcConfiguration": {"Subnets": [ecs.subnet]}}
    subnets = [each["SubnetId"] for each in ecs.client("ec2").describe_subnets()["Subnets"][:2]]
    vpc = ecs.client("ec2").describe_subnets()["Subnets"][0]["VpcId"]
    elb = "AWS::ElasticLoadBalancingV2"
    forward = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": {"Ref": "Group"}, "Weight": 1}]},
    }
    says = {"StatusCode": "200", "MessageBody": changes.get("says", "fixed"), "ContentType": "text/plain"}
    container = {
        "Name": "app",
        "Image": "host",
        "Command": [sys.executable, "-c", SERVER],
        "PortMappings": [{"ContainerPort": 8080}],
        "Environment": [{"Name": name, "Value": value} for name, value in variables.items()],
    }
    resources = {
        "Balancer": {
            "Type": f"{elb}::LoadBalancer",
            "Properties": {
                "Subnets": subnets,
                "Type": "application",
                "LoadBalancerAttributes": [
                    {"Key": "idle_timeout.timeout_seconds", "Value": changes.get("idle", "30")},
                ],
                "Tags": [{"Key": "team", "Value": "datos"}],
            },
        },
        "Group": {
            "Type": f"{elb}::TargetGroup",
            "Properties": {
                "Port": "8080", "Protocol": "HTTP", "VpcId": vpc, "TargetType": "ip",
                "HealthCheckPath": changes.get("path", "/health"), "HealthCheckIntervalSeconds": "5",
                "HealthCheckTimeoutSeconds": "2", "Matcher": {"HttpCode": "200"},
                "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "7"}],
            },
        },
        "Listener": {
            "Type": f"{elb}::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"}, "Port": "80", "Protocol": "HTTP", "DefaultActions": [forward],
            },
        },
        "Rule": {
            "Type": f"{elb}::ListenerRule",
            "Properties": {
                "ListenerArn": {"Ref": "Listener"}, "Priority": 1,
                "Conditions": [{"Field": "path-pattern", "Values": ["/fixed"]}],
                "Actions": [{"Type": "fixed-response", "FixedResponseConfig": says}],
            },
        },
        "Definition": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": "of-the-stack", "Cpu": "256", "Memory": "512", "NetworkMode": "awsvpc",
                "RequiresCompatibilities": ["FARGATE"], "ContainerDefinitions": [container],
            },
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "DependsOn": ["Listener"],
            "Properties": {
                "Cluster": ecs.cluster, "ServiceName": "of-the-stack", "TaskDefinition": {"Ref": "Definition"},
                "DesiredCount": 1, "LaunchType": "FARGATE", "NetworkConfiguration": network,
                "LoadBalancers": [
                    {"TargetGroupArn": {"Ref": "Group"}, "ContainerName": "app", "ContainerPort": 8080}
                ],
            },
        },
    }  # fmt: skip
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}}, "Group": {"Value": {"Ref": "Group"}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


@pytest.mark.slow
def test_a_stacks_load_balancer_forwards_changes_and_goes(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    stacks, elb = ecs.client("cloudformation"), ecs.client("elbv2")

    def listeners() -> Any:
        return ask(ecs.cloud.key, "GET", "balancers", None)["listeners"]

    stacks.create_stack(StackName="web", TemplateBody=template(ecs))
    (listener,) = until(lambda: [each for each in listeners() if each["url"]])
    until(lambda: httpx.get(listener["url"]).status_code == 200)
    assert httpx.get(f"{listener['url']}/fixed").text == "fixed"
    outputs = stacks.describe_stacks(StackName="web")["Stacks"][0]["Outputs"]
    told = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    assert told["Name"] == listener["dnsName"]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=told["Group"])["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "7"} in attributes

    stacks.get_waiter("stack_create_complete").wait(StackName="web", WaiterConfig={"Delay": 1})
    stacks.update_stack(StackName="web", TemplateBody=template(ecs, says="changed", path="/other", idle="31"))
    until(lambda: httpx.get(f"{listener['url']}/fixed").text == "changed")
    (group,) = elb.describe_target_groups()["TargetGroups"]
    assert (group["TargetGroupArn"], group["HealthCheckPath"]) == (told["Group"], "/other")
    arn = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    kept = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "31"} in kept

    stacks.delete_stack(StackName="web")
    until(lambda: not listeners())
    assert elb.describe_target_groups()["TargetGroups"] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(listener["url"])


@pytest.mark.slow
def test_load_balancers_are_there_again_after_a_restart_and_a_services_tasks_behind_them(
    make_cloud: MakeCloud, tmp_path: Any
) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    ecs.client("cloudformation").create_stack(StackName="web", TemplateBody=template(ecs))
    (listener,) = until(lambda: ask(ecs.cloud.key, "GET", "balancers", None)["listeners"])
    until(lambda: httpx.get(listener["url"]).status_code == 200)
    first = httpx.get(listener["url"]).text
    (group,) = ecs.client("elbv2").describe_target_groups()["TargetGroups"]
    by_hand = [{"Id": "127.0.0.1", "Port": 9}]
    ecs.client("elbv2").register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=by_hand)
    ecs.cloud.stop()
    again = make_cloud(state_dir=tmp_path)
    (found,) = until(lambda: ask(again.cloud.key, "GET", "balancers", None)["listeners"])
    assert (found["url"], found["dnsName"]) == (listener["url"], listener["dnsName"])
    until(lambda: httpx.get(found["url"]).status_code == 200)
    assert httpx.get(found["url"]).text != first
    described = again.client("elbv2").describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    states = {each["Target"]["Port"]: each["TargetHealth"]["State"] for each in described["TargetHealthDescriptions"]}
    assert states.pop(9) in ("initial", "unhealthy")
    assert list(states.values()) == ["healthy"], "the target of the task that ended with the server is gone"
