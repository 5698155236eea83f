"""Volumes, environment files, limits and restarts of containers.

Developer guide, "Use bind mounts with Amazon ECS", "Pass environment variables to an Amazon ECS container", "Restart
individual containers in Amazon ECS tasks"; API reference, Ulimit (read November 2026).
"""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs

from fargate_local.engine.environment_files import variables_of
from fargate_local.protocol.plan import RestartPolicy
from fargate_local.runtimes.process import moved

BUCKET = "files"


def mount(path: str, **more: Any) -> dict[str, Any]:
    return {"mountPoints": [{"sourceVolume": "shared", "containerPath": path, **more}]}


def test_a_volume_is_empty_shared_by_the_tasks_containers_and_gone_afterwards(ecs: Ecs) -> None:
    family = ecs.define(
        {
            "command": ["sh", "-c", "cat /in/word /in/where; ls /in | wc -l"],
            "dependsOn": [{"containerName": "writer", "condition": "SUCCESS"}],
            "logged": True,
            **mount("/in", readOnly=True),
        },
        {
            "name": "writer",
            "essential": False,
            "command": ["sh", "-c", 'echo hello >/out/word; echo "$PLACE" > /out/where'],
            "environment": [{"name": "PLACE", "value": "/out"}],
            **mount("/out"),
        },
        volumes=[{"name": "shared"}],
    )
    for _ in range(2):
        task = ecs.finish(family)
        word, folder, count = ecs.logs(task["taskArn"])
        assert (word, count.strip()) == ("hello", "2")
        assert not Path(folder).exists()


def test_volumes_are_taken_over_from_another_container(ecs: Ecs) -> None:
    family = ecs.define(
        {
            "command": ["sh", "-c", "cat /data/word"],
            "dependsOn": [{"containerName": "writer", "condition": "SUCCESS"}],
            "volumesFrom": [{"sourceContainer": "writer"}],
            "logged": True,
        },
        {"name": "writer", "essential": False, "command": ["sh", "-c", "echo hi > /data/word"], **mount("/data")},
        volumes=[{"name": "shared"}],
    )
    assert ecs.logs(ecs.finish(family)["taskArn"]) == ["hi"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat /data/x", "cat /v/x"),
        ("echo a>/data/x;ls /data", "echo a>/v/x;ls /v"),
        ("/database/x /my/data", "/database/x /my/data"),
        ("PATH=/data/bin:/app", "PATH=/v/bin:/i"),
        ("/data/deep/x", "/w/x"),
    ],
)
def test_paths_of_volumes_are_replaced_whole_and_once(text: str, expected: str) -> None:
    assert moved(text, {"/data": "/v", "/app": "/i", "/data/deep": "/w"}) == expected


def test_an_environment_file_has_a_variable_a_line() -> None:
    text = "# A=comment\nA=1\n\nB= two words \nno equals\nBAD NAME=x\nA=2\nC='quoted'\n"
    assert variables_of(text) == {"A": "1", "B": " two words ", "C": "'quoted'"}


def test_environment_files_are_read_from_s3_and_the_definitions_variables_win(ecs: Ecs) -> None:
    s3 = ecs.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a/first.env", Body=b"A=first\nB=first\nC=first\n")
    s3.put_object(Bucket=BUCKET, Key="second.env", Body=b"B=second\nD=second\n")
    family = ecs.define(
        {
            "command": ["sh", "-c", "echo $A $B $C $D"],
            "environment": [{"name": "C", "value": "own"}],
            "environmentFiles": [
                {"type": "s3", "value": f"arn:aws:s3:::{BUCKET}/{key}"} for key in ("a/first.env", "second.env")
            ],
            "logged": True,
        }
    )
    assert ecs.logs(ecs.finish(family)["taskArn"]) == ["first first own second"]
    s3.put_object(Bucket=BUCKET, Key="second.env", Body=b"D=changed\n")
    assert ecs.logs(ecs.finish(family)["taskArn"]) == ["first first own changed"]


def test_a_missing_environment_file_fails_the_start(ecs: Ecs) -> None:
    files = [{"type": "s3", "value": "arn:aws:s3:::no-such-bucket/x.env"}]
    task = ecs.finish(ecs.define({"command": ["true"], "environmentFiles": files}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to download env files:")
    assert "s3://no-such-bucket/x.env" in task["stoppedReason"]


def test_ulimits_are_set(ecs: Ecs) -> None:
    limits = [
        {"name": "nofile", "softLimit": 100, "hardLimit": 200},
        {"name": "core", "softLimit": 0, "hardLimit": 0},
    ]
    script = "ulimit -Sn; ulimit -Hn; ulimit -c"
    family = ecs.define({"command": ["sh", "-c", script], "ulimits": limits, "logged": True})
    assert ecs.logs(ecs.finish(family)["taskArn"]) == ["100", "200", "0"]


@pytest.mark.parametrize(("code", "seconds", "again"), [(1, 61, True), (0, 61, True), (1, 59, False), (7, 61, False)])
def test_a_container_restarts_after_its_period_unless_its_exit_code_is_an_expected_one(
    code: int, seconds: float, again: bool
) -> None:
    assert RestartPolicy(60, frozenset({7})).holds(code, seconds) is again


@pytest.mark.slow
def test_a_container_that_ran_long_enough_is_started_again_and_logs_on(ecs: Ecs, tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    script = f"if test -f {flag}; then echo second; exit 7; fi; touch {flag}; echo first; sleep 61; exit 1"
    policy = {"enabled": True, "restartAttemptPeriod": 60, "ignoredExitCodes": [7]}
    family = ecs.define({"command": ["sh", "-c", script], "restartPolicy": policy, "logged": True})
    arn = ecs.run(family)
    ecs.log_line(arn)
    time.sleep(61)
    task = ecs.stopped(arn)
    assert task["containers"][0]["exitCode"] == 7
    assert ecs.logs(arn) == ["first", "second"]
