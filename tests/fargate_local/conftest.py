"""A running cloud with a cluster and a network, and few words to run tasks in it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from fargate_local import FargateLocal

LOG_GROUP = "/tests"
DEADLINE = 60.0


class Ecs:
    """One cluster of a cloud."""

    def __init__(self, cloud: FargateLocal, cluster: str = "tests") -> None:
        self.cloud = cloud
        self.cluster = cluster
        self._clients: dict[str, Any] = {}
        self.api = self.client("ecs")
        if not self.api.describe_clusters(clusters=[cluster])["clusters"]:
            self.api.create_cluster(clusterName=cluster, capacityProviders=["FARGATE", "FARGATE_SPOT"])
        logs = self.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]:
            logs.create_log_group(logGroupName=LOG_GROUP)
        self.execution_role = self.role("execution")
        self.subnet = self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **self.cloud.client_args)
        return self._clients[service]

    def role(self, name: str) -> str:
        """The ARN of a role, made when it is not there."""
        iam = self.client("iam")
        try:
            return str(iam.get_role(RoleName=name)["Role"]["Arn"])
        except iam.exceptions.NoSuchEntityException:
            return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": [self.subnet]}}

    def define(self, *containers: dict[str, Any], **settings: Any) -> str:
        """Register a definition of containers of this machine; returns its family."""
        family = settings.pop("family", f"family-{uuid.uuid4().hex[:12]}")
        full = [
            {"name": f"app{number}" if number else "app", "image": "host", **container}
            for number, container in enumerate(containers)
        ]
        for container in full:
            if container.pop("logged", False):
                container["logConfiguration"] = log_configuration()
        request: dict[str, Any] = {
            "family": family,
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": self.execution_role,
            "containerDefinitions": full,
            **settings,
        }
        self.api.register_task_definition(**request)
        return family

    def define_shell(self, script: str, **settings: Any) -> str:
        """Register a definition of one shell script that logs."""
        return self.define({"command": ["sh", "-c", script], "logged": True}, **settings)

    def request(self, family: str, **parameters: Any) -> dict[str, Any]:
        request = {
            "cluster": self.cluster,
            "taskDefinition": family,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            **parameters,
        }
        return {name: value for name, value in request.items() if value is not None}

    def run(self, family: str, **parameters: Any) -> str:
        """Run one task; returns its ARN."""
        answer = self.api.run_task(**self.request(family, **parameters))
        assert answer["failures"] == []
        return str(answer["tasks"][0]["taskArn"])

    def shell(self, script: str, **parameters: Any) -> str:
        return self.run(self.define_shell(script), **parameters)

    def describe(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_tasks(cluster=self.cluster, tasks=[arn], include=["TAGS"])["tasks"][0]
        return found

    def until(self, arn: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Describe a task until it is as wanted."""
        deadline = time.monotonic() + DEADLINE
        while not done(task := self.describe(arn)):
            assert time.monotonic() < deadline, task
            time.sleep(0.02)
        return task

    def until_status(self, arn: str, status: str) -> dict[str, Any]:
        return self.until(arn, lambda task: bool(task["lastStatus"] == status))

    def stopped(self, arn: str) -> dict[str, Any]:
        return self.until_status(arn, "STOPPED")

    def finish(self, family: str, **parameters: Any) -> dict[str, Any]:
        """Run one task to its end; returns its description."""
        return self.stopped(self.run(family, **parameters))

    def logs(self, arn: str, container: str = "app") -> list[str]:
        """The lines a container logged."""
        stream = f"t/{container}/{arn.rsplit('/', 1)[-1]}"
        lines: list[str] = []
        token: dict[str, str] = {}
        logs = self.client("logs")
        while True:
            page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **token)
            lines += [event["message"] for event in page["events"]]
            if not page["events"] or token.get("nextToken") == page["nextForwardToken"]:
                return lines
            token = {"nextToken": page["nextForwardToken"]}

    def log_line(self, arn: str, container: str = "app") -> str:
        """Wait for the first line of a container."""
        deadline = time.monotonic() + DEADLINE
        logs = self.client("logs")
        while True:
            try:
                if lines := self.logs(arn, container):
                    return lines[0]
            except logs.exceptions.ResourceNotFoundException:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)


def log_configuration() -> dict[str, Any]:
    return {
        "logDriver": "awslogs",
        "options": {"awslogs-group": LOG_GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"},
    }


@pytest.fixture(scope="session")
def ecs(fargate: FargateLocal) -> Ecs:
    """The session's cloud, with a cluster and a network in it."""
    return Ecs(fargate)


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


@pytest.fixture(scope="session")
def account_class() -> type[Account]:
    """For modules with a strict cloud of their own."""
    return Account


@pytest.fixture(scope="session")
def ecs_class() -> type[Ecs]:
    """For modules with a cloud of their own."""
    return Ecs


@pytest.fixture
def make_cloud() -> Iterator[Callable[..., Ecs]]:
    """Starts clouds of a test's own, and stops them after it."""
    clouds: list[FargateLocal] = []

    def make(**settings: Any) -> Ecs:
        cloud = FargateLocal(**settings)
        clouds.append(cloud)
        return Ecs(cloud.start())

    yield make
    for cloud in clouds:
        cloud.stop()


@pytest.fixture
def process_gone() -> Callable[[int], bool]:
    """Whether a process has ended; waits a little, for its parent may be about to collect it."""

    def gone(pid: int) -> bool:
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    return gone
