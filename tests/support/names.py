"""Cloud Map of a cloud: a private namespace, and services of ECS that are registered in it."""

from typing import Any

import boto3
from botocore.config import Config
from tests.support.cloud import Ecs


class Names:
    """The Cloud Map of a cloud, and a private namespace of its default VPC."""

    def __init__(self, ecs: Ecs, namespace: str = "shop.local") -> None:
        self.ecs = ecs
        # The SDK would put "data-" before the server's address.
        self.api = boto3.client("servicediscovery", **ecs.cloud.client_args, config=Config(inject_host_prefix=False))
        vpc = ecs.client("ec2").describe_subnets()["Subnets"][0]["VpcId"]
        made = self.api.create_private_dns_namespace(Name=namespace, Vpc=vpc)["OperationId"]
        self.namespace = self.api.get_operation(OperationId=made)["Operation"]["Targets"]["NAMESPACE"]
        self.name = namespace

    def registry(self, name: str, **settings: Any) -> str:
        """The ARN of a new service of Cloud Map."""
        records = {"NamespaceId": self.namespace, "DnsRecords": [{"Type": "A", "TTL": 5}]}
        made = self.api.create_service(
            Name=name, DnsConfig=records, HealthCheckCustomConfig={"FailureThreshold": 1}, **settings
        )
        return str(made["Service"]["Arn"])

    def service(self, name: str, family: str, count: int = 1, **link: Any) -> None:
        """An ECS service with a registry of its own of the same name."""
        registries = [{"registryArn": self.registry(name), **link}]
        self.ecs.api.create_service(
            cluster=self.ecs.cluster, serviceName=name, taskDefinition=family, desiredCount=count,
            launchType="FARGATE", networkConfiguration=self.ecs.network, serviceRegistries=registries,
        )  # fmt: skip

    def discover(self, name: str, **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.discover_instances(NamespaceName=self.name, ServiceName=name, **more)[
            "Instances"
        ]
        return found

    def two(self, name: str) -> list[dict[str, Any]]:
        """Both instances, once there are two."""
        found = self.discover(name)
        return found if len(found) == 2 else []
