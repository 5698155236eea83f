"""Service registries: tasks are instances of Cloud Map, found by DiscoverInstances, and by name inside tasks."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.balancer import until
from tests.support.cloud import Ecs, MakeCloud
from tests.support.names import Names

from fargate_local import FargateLocal
from fargate_local.cloud_map import within
from fargate_local.runtimes.lookup import Answer


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    with FargateLocal() as cloud:
        yield Names(Ecs(cloud))


def test_tasks_of_a_service_are_instances_with_the_attributes_of_ecs(names: Names) -> None:
    container = {
        "command": ["sleep", "600"],
        "portMappings": [{"containerPort": 8080}],
        "environment": [{"name": "FARGATE_LOCAL_PORT_8080", "value": "8080"}],
    }
    family = names.ecs.define(container)
    names.service("api", family, 2, containerName="app", containerPort=8080)
    found = until(lambda: names.two("api"))
    tasks = names.ecs.api.list_tasks(cluster=names.ecs.cluster, serviceName="api")["taskArns"]
    assert {each["InstanceId"] for each in found} == {arn.rpartition("/")[2] for arn in tasks}
    attributes = found[0]["Attributes"]
    assert attributes["AWS_INSTANCE_IPV4"] == "127.0.0.1"
    assert len({each["Attributes"]["AWS_INSTANCE_PORT"] for each in found}) == 2
    assert (attributes["ECS_SERVICE_NAME"], attributes["ECS_CLUSTER_NAME"]) == ("api", names.ecs.cluster)
    assert (attributes["ECS_TASK_DEFINITION_FAMILY"], attributes["REGION"]) == (family, "us-east-1")
    names.ecs.api.update_service(cluster=names.ecs.cluster, service="api", desiredCount=1)
    until(lambda: len(names.discover("api")) == 1)


@pytest.mark.slow
def test_an_unhealthy_task_is_not_discovered(names: Names, tmp_path: Any) -> None:
    sick = tmp_path / "sick"
    check = {"command": ["CMD-SHELL", f"test ! -e {sick}"], "interval": 5, "retries": 1, "timeout": 2}
    family = names.ecs.define({"command": ["sleep", "600"], "healthCheck": check, "essential": True})
    names.service("frail", family)
    names.ecs.api.update_service(cluster=names.ecs.cluster, service="frail", healthCheckGracePeriodSeconds=600)
    (well,) = until(lambda: names.discover("frail"))
    sick.touch()
    until(lambda: names.discover("frail") == [])
    (found,) = names.discover("frail", HealthStatus="ALL")
    assert (found["InstanceId"], found["HealthStatus"]) == (well["InstanceId"], "UNHEALTHY")


def test_a_registry_that_does_not_exist_is_refused(names: Names) -> None:
    family = names.ecs.define_shell("sleep 1")
    with pytest.raises(ClientError, match="The service registry arn:nothing/srv-0 does not exist"):
        names.ecs.api.create_service(
            cluster=names.ecs.cluster, serviceName="refused", taskDefinition=family, desiredCount=1,
            launchType="FARGATE", networkConfiguration=names.ecs.network,
            serviceRegistries=[{"registryArn": "arn:nothing/srv-0"}],
        )  # fmt: skip


def test_a_vpc_has_namespaces_of_several_names_and_one_of_each(names: Names) -> None:
    assert Names(names.ecs, "other.local").namespace != names.namespace
    with pytest.raises(ClientError, match="ConflictingDomainExists"):
        Names(names.ecs, "other.local")


class Instance:
    def __init__(self, number: int, status: str = "HEALTHY") -> None:
        self.instance_id, self.health_status = f"i{number}", status
        self.attributes = {"AWS_INSTANCE_IPV4": f"10.0.0.{number}", "AWS_INSTANCE_PORT": str(8000 + number)}


class Memory:
    """What moto would hold: one service with these records and instances."""

    def __init__(
        self, *instances: Instance, routing: str = "MULTIVALUE", kinds: tuple[str, ...] = ("A", "SRV")
    ) -> None:
        self.name, self.namespace_id, self.instances = "Api", "ns-1", list(instances)
        records = [{"Type": kind, "TTL": "7"} for kind in ("A", "SRV")]
        self.dns_config = {"RoutingPolicy": routing, "DnsRecords": records}
        self.services = {"srv": self}


# Cloud Map API reference, "DnsConfig", "DnsRecord" (read November 2026).
def test_a_name_has_up_to_eight_healthy_instances_or_all_when_none_is() -> None:
    found = within(Memory(*(Instance(number) for number in range(9))), "ns-1", "api.shop.local", "api", "A")
    assert len(set(found.records)) == 8
    assert {ttl for ttl, _ in found.records} == {7}
    mixed = Memory(Instance(1), Instance(2, "UNHEALTHY"))
    assert within(mixed, "ns-1", "api.shop.local", "api", "A").records == ((7, "10.0.0.1"),)
    sick = Memory(Instance(1, "UNHEALTHY"), Instance(2, "UNHEALTHY"))
    assert len(within(sick, "ns-1", "api.shop.local", "api", "A").records) == 2
    one = Memory(Instance(1), Instance(2), routing="WEIGHTED")
    assert len(within(one, "ns-1", "api.shop.local", "api", "A").records) == 1


def test_a_port_is_found_by_srv_and_an_instance_by_its_own_name() -> None:
    memory = Memory(Instance(3))
    assert within(memory, "ns-1", "api.shop.local", "api", "SRV").records == ((7, "1 1 8003 i3.api.shop.local."),)
    assert within(memory, "ns-1", "i3.api.shop.local", "i3.api", "A").records == ((60, "10.0.0.3"),)
    assert within(memory, "ns-1", "api.shop.local", "api", "AAAA") == Answer(exists=True)
    assert within(memory, "ns-1", "no.shop.local", "no", "A") == Answer(exists=False)
    assert within(memory, "ns-2", "api.shop.local", "api", "A") == Answer(exists=False)


TEMPLATE = {
    "Space": {"Type": "AWS::ServiceDiscovery::PrivateDnsNamespace", "Properties": {"Name": "stack.local"}},
    "Registry": {
        "Type": "AWS::ServiceDiscovery::Service",
        "Properties": {
            "Name": "api",
            "DnsConfig": {"NamespaceId": {"Ref": "Space"}, "DnsRecords": [{"Type": "A", "TTL": "5"}]},
            "HealthCheckCustomConfig": {"FailureThreshold": 1},
        },
    },
    "Definition": {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": "named", "Cpu": "256", "Memory": "512", "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "ContainerDefinitions": [{"Name": "app", "Image": "host", "Command": ["sleep", "600"]}],
        },
    },
    "Service": {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "ServiceName": "named", "TaskDefinition": {"Ref": "Definition"}, "DesiredCount": 1,
            "LaunchType": "FARGATE",
            "ServiceRegistries": [{"RegistryArn": {"Fn::GetAtt": ["Registry", "Arn"]}}],
        },
    },
}  # fmt: skip


def test_a_templates_registry_names_its_services_tasks_also_after_a_restart(
    make_cloud: MakeCloud, tmp_path: Any
) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    resources = json.loads(json.dumps(TEMPLATE))
    subnet = ecs.client("ec2").describe_subnets()["Subnets"][0]
    resources["Space"]["Properties"]["Vpc"] = subnet["VpcId"]
    network = {"AwsvpcConfiguration": {"Subnets": [subnet["SubnetId"]]}}
    resources["Service"]["Properties"] |= {"Cluster": ecs.cluster, "NetworkConfiguration": network}
    ecs.client("cloudformation").create_stack(StackName="names", TemplateBody=json.dumps({"Resources": resources}))

    def discovered(cloud: Ecs) -> Any:
        api = boto3.client("servicediscovery", **cloud.cloud.client_args, config=Config(inject_host_prefix=False))
        return api.discover_instances(NamespaceName="stack.local", ServiceName="api")["Instances"]

    (first,) = until(lambda: discovered(ecs))
    ecs.cloud.stop()
    again = make_cloud(state_dir=tmp_path)
    (second,) = until(lambda: discovered(again))
    assert second["InstanceId"] != first["InstanceId"]
    again.client("cloudformation").delete_stack(StackName="names")
    assert again.client("servicediscovery").list_namespaces()["Namespaces"] == []
