"""What became of a task, from the texts that ECS gives.

Texts and codes: ECS developer guide, "Stopped tasks error codes" and "CannotPullContainer task errors", November 2026.
"""

from typing import Any

import pytest

from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.outcome.classify import Outcome, Wanted, classify, digest_differs, reason_to_stop

PINNED = "sha256:" + "a" * 64
WANTED = Wanted("ingesta", PINNED, start_by=100.0)


def stopped(
    stop_code: str = "EssentialContainerExited",
    reason: str = "Essential container in task exited",
    exit_code: int | None = None,
    container_reason: str | None = None,
    digest: str | None = PINNED,
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "ingesta"}
    container |= {} if exit_code is None else {"exitCode": exit_code}
    container |= {} if container_reason is None else {"reason": container_reason}
    container |= {} if digest is None else {"imageDigest": digest}
    return {"lastStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": reason, "containers": [container]}


def outcome(task: dict[str, Any]) -> Outcome:
    return classify(task, "ingesta", PINNED).outcome


@pytest.mark.parametrize(
    ("exit_code", "expected"),
    [
        (0, Outcome.SUCCESS),
        (1, Outcome.BUSINESS),
        (2, Outcome.USAGE),
        (3, Outcome.QUALITY),
        (127, Outcome.BUSINESS),
        (137, Outcome.BUSINESS),
        (143, Outcome.BUSINESS),
    ],
)
def test_the_exit_code_of_the_modules_container_decides(exit_code: int, expected: Outcome) -> None:
    assert outcome(stopped(exit_code=exit_code)) is expected


def test_an_out_of_memory_kill_is_told_from_any_other_137() -> None:
    killed = stopped(exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
    assert outcome(killed) is Outcome.MEMORY


@pytest.mark.parametrize(
    "reason",
    [
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): request canceled while waiting",
        "Timeout waiting for network interface provisioning to complete.",
        "ResourceInitializationError: unable to pull secrets or registry auth: context deadline exceeded",
        "Task failed to start",
    ],
)
def test_a_start_that_may_work_next_time_is_a_failed_start(reason: str) -> None:
    assert outcome(stopped("TaskFailedToStart", reason, digest=None)) is Outcome.FAILED_START


@pytest.mark.parametrize(
    "reason",
    [
        "CannotPullContainerError: failed to resolve ref: registry/datavision/ingesta@sha256:00: not found",
        "CannotPullContainerError: Error response from daemon: manifest unknown",
        "ResourceInitializationError: unable to pull secrets or registry auth: ResourceNotFoundException: Secrets "
        "Manager can't find the specified secret.",
        "ResourceInitializationError: unable to pull secrets: AccessDeniedException: not authorized to perform "
        "secretsmanager:GetSecretValue",
        "ResourceInitializationError: failed to validate logger args: The specified log group does not exist.",
    ],
)
def test_a_start_that_can_never_work_is_permanent(reason: str) -> None:
    assert outcome(stopped("TaskFailedToStart", reason, digest=None)) is Outcome.PERMANENT_START


def test_a_spot_interruption_is_one_whatever_the_exit_code_but_zero() -> None:
    interrupted = stopped("SpotInterruption", "Your Spot Task was interrupted.", exit_code=143)
    assert outcome(interrupted) is Outcome.SPOT
    assert outcome(stopped("SpotInterruption", "Your Spot Task was interrupted.", exit_code=0)) is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (StopReason.START_DEADLINE, Outcome.FAILED_START),
        (StopReason.TIMEOUT, Outcome.TIMEOUT),
        (StopReason.KILLED, Outcome.KILLED),
        (StopReason.REPLACED, Outcome.KILLED),
        (StopReason.REAPED, Outcome.KILLED),
        (StopReason.DIGEST, Outcome.DIGEST),
    ],
)
def test_what_we_stopped_ourselves_is_known_by_our_reason(reason: StopReason, expected: Outcome) -> None:
    assert outcome(stopped("UserInitiated", reason.value, exit_code=143)) is expected


def test_every_reason_of_ours_has_an_outcome() -> None:
    outcomes = {outcome(stopped("UserInitiated", reason.value, exit_code=143)) for reason in StopReason}
    assert Outcome.STOPPED not in outcomes


def test_what_someone_else_stopped_is_stopped_from_outside() -> None:
    assert outcome(stopped("UserInitiated", "stopped in the console", exit_code=143)) is Outcome.STOPPED


def test_success_of_the_wrong_image_is_no_success() -> None:
    assert outcome(stopped(exit_code=0, digest="sha256:" + "b" * 64)) is Outcome.DIGEST


def test_the_modules_container_is_judged_and_not_its_neighbours() -> None:
    task = stopped(exit_code=3)
    task["containers"].insert(0, {"name": "sidecar", "exitCode": 0})
    assert outcome(task) is Outcome.QUALITY


def test_without_a_container_of_that_name_the_first_one_is_judged() -> None:
    task = stopped(exit_code=3)
    task["containers"][0]["name"] = "main"
    task["containers"].append({"name": "sidecar", "exitCode": 0})
    assert outcome(task) is Outcome.QUALITY


def test_the_reasons_of_task_and_container_are_both_told_once() -> None:
    ending = classify(stopped(exit_code=1, container_reason="Essential container in task exited"), "ingesta", PINNED)
    assert ending.reason == "Essential container in task exited"


def test_a_task_that_starts_too_slowly_is_to_be_stopped() -> None:
    pending = {"lastStatus": "PENDING", "containers": []}
    assert reason_to_stop(pending, WANTED, now=100.0) is None
    assert reason_to_stop(pending, WANTED, now=101.0) is StopReason.START_DEADLINE


def test_a_running_task_has_no_start_deadline() -> None:
    assert reason_to_stop({"lastStatus": "RUNNING", "containers": []}, WANTED, now=10**6) is None


def test_a_task_with_another_digest_is_to_be_stopped_as_soon_as_ecs_says_so() -> None:
    task: dict[str, Any] = {"lastStatus": "RUNNING", "containers": [{"name": "ingesta"}]}
    assert not digest_differs(task, "ingesta", PINNED)
    task["containers"][0]["imageDigest"] = "sha256:" + "c" * 64
    assert reason_to_stop(task, WANTED, now=0.0) is StopReason.DIGEST


def test_a_task_that_may_not_outlast_a_moment_is_stopped_after_it() -> None:
    running = {"lastStatus": "RUNNING", "containers": [{"name": "ingesta"}]}
    wanted = Wanted("ingesta", "sha256:0", start_by=100.0, end_by=400.0)
    assert reason_to_stop(running, wanted, 400.0) is None
    assert reason_to_stop(running, wanted, 401.0) is StopReason.TIMEOUT
