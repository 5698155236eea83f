"""Embedded clouds: the worker's, a module's or a test's own, and few words to run tasks in one."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from fargate_local import FargateLocal

LOG_GROUP = "/tests"
DEADLINE = 60.0
STATES = [
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]
SECRET_VALUES = {"source_url": "postgresql://a", "lakehouse_catalog_url": "postgresql://b"}
"""For environments whose modules connect to nothing."""

AddFault = Callable[..., int]
"""The fixture `fargate_faults`: adds a rule and returns its number."""


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
        family = str(settings.pop("family", f"family-{uuid.uuid4().hex[:12]}"))
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


MakeCloud = Callable[..., Ecs]
"""The fixture `make_cloud`: starts a cloud with these settings."""


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    """(name, HTTP status, message) of the error that a request is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def pointing_to(cloud: FargateLocal, repository: Path) -> dict[str, str]:
    """The variables with which DataVision's commands, run with the configuration of `repository`, use this cloud."""
    return {
        **cloud.environment,
        "DATAVISION_AWS__ENDPOINT_URL": cloud.url,
        "DATAVISION_CONFIG_DIR": str(repository / "config"),
    }


@pytest.fixture(scope="session")
def ecs(fargate: FargateLocal) -> Ecs:
    """The worker's cloud, with a cluster and a network in it."""
    return Ecs(fargate)


@pytest.fixture(scope="module")
def cloud() -> Iterator[FargateLocal]:
    """A cloud of the module's own, empty at first."""
    with FargateLocal() as started:
        yield started


@pytest.fixture
def make_cloud() -> Iterator[MakeCloud]:
    """Starts clouds of a test's own, and stops them after it."""
    with contextlib.ExitStack() as started:
        yield lambda **settings: Ecs(started.enter_context(FargateLocal(**settings)))


def process_gone(pid: int) -> bool:
    """Whether a process has ended; waits a little, for its parent may be about to collect it."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
