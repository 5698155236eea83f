"""What happens between RunTask and STOPPED.

States and timestamps: Amazon ECS developer guide, "Amazon ECS task lifecycle"; stopCode and stoppedReason: API
reference, Task. Both read November 2026.
"""

import sys
import time
from typing import Any

import pytest
from tests.support.cloud import STATES, AddFault, Ecs, process_gone

STAMPS = [
    "createdAt",
    "connectivityAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
]


def test_a_task_passes_through_every_state_in_order(ecs: Ecs, fargate_faults: AddFault) -> None:
    family = ecs.define_shell("sleep 0.2")
    for state in STATES:
        if state not in ("RUNNING", "STOPPED"):
            fargate_faults("stuck", family=family, state=state, seconds=0.3)
    arn = ecs.run(family)
    seen: list[str] = []
    deadline = time.monotonic() + 60
    while not seen or seen[-1] != "STOPPED":
        status = ecs.describe(arn)["lastStatus"]
        if not seen or seen[-1] != status:
            seen.append(status)
        assert time.monotonic() < deadline
    assert [state for state in seen if state != "RUNNING"] == [state for state in STATES if state != "RUNNING"]
    assert seen == [state for state in STATES if state in seen]


def test_a_finished_task_has_every_timestamp_in_order(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("true"))
    stamps = [task[stamp] for stamp in STAMPS]
    assert stamps == sorted(stamps)


def test_the_version_grows_with_every_change(ecs: Ecs) -> None:
    arn = ecs.shell("sleep 0.3")
    first = ecs.describe(arn)["version"]
    assert ecs.stopped(arn)["version"] > first


@pytest.mark.parametrize("code", [0, 1, 2, 3, 137, 255])
def test_the_exit_code_of_the_command_is_the_containers(ecs: Ecs, code: int) -> None:
    task = ecs.finish(ecs.define_shell(f"exit {code}"))
    assert task["containers"][0]["exitCode"] == code
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"


def test_a_command_killed_by_a_signal_exits_with_128_and_the_signal(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define_shell("kill -TERM $$"))
    assert task["containers"][0]["exitCode"] == 143


def test_a_running_task_has_a_connection_a_network_interface_and_a_runtime_id(ecs: Ecs) -> None:
    arn = ecs.shell("sleep 30")
    task = ecs.until_status(arn, "RUNNING")
    container = task["containers"][0]
    details = {detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]}
    assert task["connectivity"] == "CONNECTED"
    assert task["attachments"][0]["status"] == "ATTACHED"
    assert details["subnetId"] == ecs.subnet
    assert container["networkInterfaces"][0]["privateIpv4Address"] == details["privateIPv4Address"]
    assert container["runtimeId"].startswith(arn.rsplit("/", 1)[-1])
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    assert ecs.stopped(arn)["attachments"][0]["status"] == "DELETED"


def test_stopping_sends_sigterm_and_keeps_the_reason(ecs: Ecs) -> None:
    arn = ecs.shell("trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    ecs.log_line(arn)
    answer = ecs.api.stop_task(cluster=ecs.cluster, task=arn, reason="wrong date")["task"]
    assert answer["desiredStatus"] == "STOPPED"
    task = ecs.stopped(arn)
    assert task["containers"][0]["exitCode"] == 7
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "wrong date")
    assert ecs.logs(arn) == ["ready", "caught"]


def test_a_container_that_ignores_sigterm_is_killed_after_its_stop_timeout(ecs: Ecs) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    arn = ecs.run(ecs.define({"command": ["sh", "-c", script], "logged": True, "stopTimeout": 2}))
    ecs.log_line(arn)
    began = time.monotonic()
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    assert ecs.stopped(arn)["containers"][0]["exitCode"] == 137
    assert time.monotonic() - began >= 2


def test_stopping_twice_keeps_the_first_reason(ecs: Ecs) -> None:
    arn = ecs.shell("sleep 30")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn, reason="first")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn, reason="second")
    assert ecs.stopped(arn)["stoppedReason"] == "first"


def test_a_task_stopped_before_it_ran_never_starts_its_container(ecs: Ecs, fargate_faults: AddFault) -> None:
    family = ecs.define_shell("echo started")
    fargate_faults("stuck", family=family)
    arn = ecs.run(family)
    ecs.until_status(arn, "PENDING")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    task = ecs.stopped(arn)
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task
    assert task["stopCode"] == "UserInitiated"


def test_a_program_that_does_not_exist_fails_to_start(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["no-such-program"]}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ResourceInitializationError: failed to create")
    assert 'exec: "no-such-program": executable file not found in $PATH' in task["stoppedReason"]
    assert task["containers"][0]["reason"] == task["stoppedReason"]


def test_a_working_directory_that_does_not_exist_fails_to_start(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["true"], "workingDirectory": "/no/such/folder"}))
    assert 'chdir to cwd ("/no/such/folder")' in task["stoppedReason"]


def test_a_container_without_a_command_cannot_be_created(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({}))
    assert task["stoppedReason"] == "CannotCreateContainerError: no command specified"


def test_every_container_of_the_definition_runs_and_the_essential_one_ends_the_task(ecs: Ecs) -> None:
    family = ecs.define(
        {"name": "main", "command": ["sh", "-c", "sleep 0.5; exit 4"]},
        {
            "name": "side",
            "command": ["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"],
            "essential": False,
        },
    )
    task = ecs.finish(family)
    assert {each["name"]: each["exitCode"] for each in task["containers"]} == {"main": 4, "side": 9}


def test_a_container_that_is_not_essential_may_end_first(ecs: Ecs) -> None:
    family = ecs.define(
        {"name": "main", "command": ["sleep", "30"]},
        {"name": "side", "command": ["true"], "essential": False},
    )
    arn = ecs.run(family)
    task = ecs.until(arn, lambda task: task["containers"][1].get("exitCode") == 0)
    assert task["lastStatus"] in ("ACTIVATING", "RUNNING")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)


@pytest.mark.parametrize(("condition", "code"), [("COMPLETE", 5), ("SUCCESS", 0), ("START", 0)])
def test_a_container_starts_when_what_it_depends_on_is_so_far(ecs: Ecs, condition: Any, code: int) -> None:
    family = ecs.define(
        {
            "name": "main",
            "command": ["sh", "-c", "date +%s%N"],
            "logged": True,
            "dependsOn": [{"containerName": "init", "condition": condition}],
        },
        {"name": "init", "command": ["sh", "-c", f"date +%s%N; exit {code}"], "essential": False, "logged": True},
    )
    arn = ecs.run(family)
    task = ecs.stopped(arn)
    assert task["containers"][0]["exitCode"] == 0
    if condition != "START":
        assert int(ecs.logs(arn, "init")[0]) < int(ecs.logs(arn, "main")[0])


def test_a_failed_dependency_keeps_the_container_from_starting(ecs: Ecs) -> None:
    family = ecs.define(
        {
            "name": "main",
            "command": ["true"],
            "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
        },
        {"name": "init", "command": ["sh", "-c", "exit 3"], "essential": False},
    )
    task = ecs.finish(family)
    assert task["stopCode"] == "TaskFailedToStart"
    assert "did not exit successfully" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_what_a_container_leaves_running_ends_with_it(ecs: Ecs) -> None:
    arn = ecs.shell("setsid sh -c 'echo $$; exec sleep 300' & sleep 0.5; sleep 300 & echo $!; sleep 0.2")
    ecs.stopped(arn)
    lines = ecs.logs(arn)
    assert len(lines) == 2
    assert all(process_gone(int(line)) for line in lines)


LATE = """
import os, signal, subprocess, sys, time
ballast = bytearray(200 << 20)
if os.fork() == 0:
    left = subprocess.Popen(["sleep", "300"], process_group=0)
    print(left.pid, flush=True)
    time.sleep(300)
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Its child takes a while to die, so what that has started is an orphan only after the container has ended."""


def test_what_is_orphaned_after_a_containers_end_ends_too(ecs: Ecs) -> None:
    family = ecs.define({"command": [sys.executable, "-c", LATE], "memory": 500, "logged": True})
    for arn in [ecs.run(family) for _ in range(4)]:
        ecs.stopped(arn)
        (line,) = ecs.logs(arn)
        assert process_gone(int(line))


def test_a_container_over_its_memory_limit_is_killed_with_its_whole_group(ecs: Ecs) -> None:
    script = 'echo ready; python3 -c "import time; b = bytearray(120_000_000); time.sleep(30)"'
    family = ecs.define({"command": ["sh", "-c", script], "memory": 100, "logged": True})
    task = ecs.finish(family)
    container = task["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert task["stopCode"] == "EssentialContainerExited"


def test_a_container_that_grows_and_ends_between_two_looks_is_over_its_limit_too(ecs: Ecs) -> None:
    """The command is a child of the container's first process, as in most images."""
    script = "python3 -c 'bytearray(40_000_000)'; true"
    family = ecs.define({"command": ["sh", "-c", script], "memory": 30})
    for task in [ecs.finish(family) for _ in range(5)]:
        (container,) = task["containers"]
        assert (container["exitCode"], container["reason"][:16]) == (137, "OutOfMemoryError")


def test_the_tasks_memory_is_shared_by_its_containers_and_the_largest_one_pays(ecs: Ecs) -> None:
    hog = "import time; b = bytearray({} * 1_000_000); time.sleep(30)"
    family = ecs.define(
        {"name": "large", "command": ["python3", "-c", hog.format(400)]},
        {"name": "small", "command": ["python3", "-c", hog.format(200)], "essential": False},
    )
    task = ecs.finish(family)
    assert task["containers"][0]["reason"].startswith("OutOfMemoryError")
    assert "reason" not in task["containers"][1]


def test_a_task_has_only_its_own_environment(ecs: Ecs, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = ecs.run(
        ecs.define({"command": ["env"], "logged": True, "environment": [{"name": "COLOUR", "value": "blue"}]})
    )
    ecs.stopped(arn)
    variables = dict(line.partition("=")[::2] for line in ecs.logs(arn))
    assert variables["COLOUR"] == "blue"
    assert variables["AWS_ENDPOINT_URL"] == ecs.cloud.url
    assert not {"PYTEST_CURRENT_TEST", "USER", "SHELL"} & variables.keys()
