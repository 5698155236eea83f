"""What a container can ask: the metadata endpoint version 4 and its role's credentials.

Developer guide, "Amazon ECS task metadata endpoint version 4 for tasks on Fargate" and "Amazon ECS task IAM role" (read
November 2026).
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest
from tests.support.cloud import Ecs

ASK = """
import json, os, sys, urllib.request
def get(url): return json.load(urllib.request.urlopen(url))
base = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
print(json.dumps({"container": get(base), "task": get(base + "/task"), "tags": get(base + "/taskWithTags")}))
"""
STATS = """
import json, os, threading, urllib.request
def get(url): return json.load(urllib.request.urlopen(url))
held = bytearray(40 << 20)
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
base = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
print(json.dumps({"mine": get(base + "/stats"), "all": get(base + "/task/stats"), "task": get(base + "/task")}))
"""
WHO = """
import boto3
credentials = boto3.Session().get_credentials()
print(credentials.method, credentials.access_key[:4], bool(credentials.token))
print(len(boto3.client("s3").list_buckets()["Buckets"]) >= 0)
"""


NAME = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def role(ecs: Ecs) -> Any:
    return ecs.client("iam").create_role(RoleName="task", AssumeRolePolicyDocument="{}")["Role"]["Arn"]


def test_a_container_learns_what_it_is(ecs: Ecs) -> None:
    family = ecs.define({"command": [sys.executable, "-c", ASK], "logged": True, "memory": 128})
    arn = ecs.run(family, tags=[{"key": "run", "value": "7"}])
    ecs.stopped(arn)
    said = json.loads("".join(ecs.logs(arn)))
    assert said["container"]["Name"] == "app"
    assert said["container"]["Limits"]["Memory"] == 128
    assert said["container"]["LogOptions"]["awslogs-stream"].endswith(arn.rsplit("/", 1)[-1])
    assert said["task"]["TaskARN"] == arn
    assert said["task"]["Family"] == family
    assert said["task"]["LaunchType"] == "FARGATE"
    assert said["task"]["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert [each["Name"] for each in said["task"]["Containers"]] == ["app"]
    assert said["tags"]["TaskTags"] == {"run": "7"}


def test_a_container_learns_what_it_uses_in_dockers_words(ecs: Ecs) -> None:
    side = {"name": "side", "command": ["sleep", "60"], "essential": False}
    arn = ecs.run(ecs.define({"command": [sys.executable, "-c", STATS], "logged": True, "memory": 256}, side))
    ecs.stopped(arn)
    said = json.loads("".join(ecs.logs(arn)))
    mine = said["mine"]
    assert (mine["name"], mine["memory_stats"]["limit"]) == ("app", 256 << 20)
    assert 40 << 20 < mine["memory_stats"]["usage"] < 256 << 20
    # As `docker stats` calculates: Docker's API reference, "Get container stats based on resource usage".
    now, before = mine["cpu_stats"], mine["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    percent = 100 * now["online_cpus"] * used / (now["system_cpu_usage"] - before["system_cpu_usage"])
    assert 20 < percent <= 110 * now["online_cpus"]
    ids = {each["Name"]: each["DockerId"] for each in said["task"]["Containers"]}
    assert set(said["all"]) == set(ids.values())
    assert said["all"][ids["side"]]["cpu_stats"]["cpu_usage"]["total_usage"] < now["cpu_usage"]["total_usage"]


def test_an_sdk_in_a_task_gets_the_roles_credentials_and_reaches_the_cloud(ecs: Ecs, role: str) -> None:
    family = ecs.define({"command": [sys.executable, "-c", WHO], "logged": True}, taskRoleArn=role)
    task = ecs.finish(family)
    assert ecs.logs(task["taskArn"]) == ["container-role ASIA True", "True"]


def test_a_task_is_its_role_in_a_session_named_after_the_task(ecs: Ecs, role: str) -> None:
    task = ecs.finish(ecs.define({"command": [sys.executable, "-c", NAME], "logged": True}, taskRoleArn=role))
    identifier = task["taskArn"].rpartition("/")[2]
    assert ecs.logs(task["taskArn"]) == [f"arn:aws:sts::123456789012:assumed-role/task/{identifier}"]
    assert "assumed-role" not in ecs.client("sts").get_caller_identity()["Arn"]


def test_a_task_without_a_role_has_no_credentials(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["env"], "logged": True}))
    assert not [line for line in ecs.logs(task["taskArn"]) if "CREDENTIALS" in line]


def test_credentials_and_metadata_end_with_the_task(ecs: Ecs, role: str) -> None:
    family = ecs.define(
        {
            "command": ["sh", "-c", "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI; echo $ECS_CONTAINER_METADATA_URI_V4"],
            "logged": True,
        },
        taskRoleArn=role,
    )
    for url in ecs.logs(ecs.finish(family)["taskArn"]):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url)
        with caught.value:
            assert caught.value.code == 404
