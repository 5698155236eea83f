"""A cloud as strict as AWS: roles with policies, and clients that sign as them."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from tests.support.cloud import DEADLINE, LOG_GROUP

from fargate_local import FargateLocal


class Account:
    """A strict cloud: roles with policies, and clients that sign as them."""

    def __init__(self, cloud: FargateLocal) -> None:
        self.cloud = cloud
        self.number = "123456789012"
        self._clients: dict[str, Any] = {}
        self.client("ecs").create_cluster(clusterName="tests", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        self.client("logs").create_log_group(logGroupName=LOG_GROUP)
        self.subnet = self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]

    def client(self, service: str) -> Any:
        """A client of the account's root user."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **self.cloud.client_args)
        return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:us-east-1:{self.number}:{resource}"

    def role(self, *statements: dict[str, Any], trusted: dict[str, Any] | None = None, **settings: Any) -> str:
        """The ARN of a new role that this account and ECS's tasks may assume."""
        both = {"AWS": f"arn:aws:iam::{self.number}:root", "Service": "ecs-tasks.amazonaws.com"}
        trust = {"Effect": "Allow", "Principal": trusted or both, "Action": "sts:AssumeRole"}
        name = f"role-{uuid.uuid4().hex[:10]}"
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document(trust), **settings)
        if statements:
            self.grant(made["Role"]["Arn"], *statements)
        return str(made["Role"]["Arn"])

    def grant(self, role: str, *statements: dict[str, Any], policy: str = "inline") -> None:
        name = role.rpartition("/")[2]
        self.client("iam").put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(*statements))

    def session(self, role: str, name: str = "tests", **parameters: Any) -> Callable[[str], Any]:
        """Makes clients that sign as a role."""
        sts = self.client("sts")
        given = sts.assume_role(RoleArn=role, RoleSessionName=name, **parameters)["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        return lambda service: boto3.client(service, **self.cloud.client_args | keys)

    def may(self, *statements: dict[str, Any]) -> Callable[[str], Any]:
        """Makes clients that sign as a new role with these permissions."""
        return self.session(self.role(*statements))

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": [self.subnet], "assignPublicIp": "ENABLED"}}

    def define(self, command: list[str], family: str = "", **settings: Any) -> str:
        """Register a definition of one container; returns its ARN."""
        cpu = settings.pop("cpu_of_task", "256")
        container = {"name": "app", "image": "host", "command": command, **settings.pop("container", {})}
        made = self.client("ecs").register_task_definition(
            family=family or f"family-{uuid.uuid4().hex[:12]}",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=cpu,
            memory=str(int(cpu) * 2),
            containerDefinitions=[container],
            **settings,
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def request(self, definition: str, **parameters: Any) -> dict[str, Any]:
        common = {"cluster": "tests", "launchType": "FARGATE", "networkConfiguration": self.network}
        return {"taskDefinition": definition, **common, **parameters}

    def finish(self, definition: str, **parameters: Any) -> dict[str, Any]:
        """Run one task as root to its end; returns its description."""
        answer = self.client("ecs").run_task(**self.request(definition, **parameters))
        assert answer["failures"] == []
        return self.stopped(answer["tasks"][0]["taskArn"])

    def stopped(self, arn: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while True:
            task: dict[str, Any] = self.client("ecs").describe_tasks(cluster="tests", tasks=[arn])["tasks"][0]
            if task["lastStatus"] == "STOPPED":
                return task
            assert time.monotonic() < deadline, task
            time.sleep(0.1)


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="session")
def strict() -> Iterator[Account]:
    """The session's strict cloud, with more vCPUs than a new account has."""
    with FargateLocal(strict=True, options=("--vcpus", "1000")) as cloud:
        yield Account(cloud)
