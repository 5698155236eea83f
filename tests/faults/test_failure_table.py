"""Every row of the failure table: the fault injected, and then outcome, containers, tries and message."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.faults.conftest import Inject

from datavision.aws import client
from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Finished, Waiting
from datavision.fargate.outcome import errors
from datavision.fargate.sizing.sizes import FargateSize

Make = Callable[..., Any]

WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


def assert_said(task: Any, *parts: str) -> None:
    text = "\n".join(task.said)
    for part in parts:
        assert part in text, text


def test_success_gives_the_result_and_what_was_measured(airflow: Make, mode: str) -> None:
    task = airflow(WRITE, mode)
    done = task.run()
    assert done.xcom["rows"] == 7
    assert done.xcom["measured"]["exit_code"] == 0
    assert (task.launches(), task.tries) == (1, 1)


@pytest.mark.parametrize("fault", ["capacity", "resource-eni"])
def test_a_rejected_launch_is_repeated_without_consuming_a_try(airflow: Make, inject: Inject, fault: str) -> None:
    inject(fault, times=2)
    task = airflow("exit 0")
    task.run()
    assert (task.launches(), task.tries) == (1, 1)
    assert_said(task, "Launch 1 was rejected", "Launch 2 was rejected")


def test_each_repeated_launch_takes_another_subnet(airflow: Make, inject: Inject, platform: Any) -> None:
    inject("capacity", times=2)
    first = airflow("exit 0")
    first.run()
    subnets = {
        first.store.values["fargate_launch"]["request"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0]
    }
    other = airflow("exit 0")
    other.run()
    subnets.add(
        other.store.values["fargate_launch"]["request"]["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0]
    )
    assert len(subnets) == 2


def test_throttling_and_server_errors_are_waited_out_without_consuming_a_try(airflow: Make, inject: Inject) -> None:
    inject("throttling", action="RunTask", times=7)
    inject("server-error", action="RunTask", after=7, times=4)
    task = airflow("exit 0")
    task.run()
    assert (task.launches(), task.tries) == (1, 1)


def test_spot_then_on_demand_goes_on_demand_when_spot_has_no_capacity(airflow: Make, inject: Inject) -> None:
    inject("capacity", capacity_provider="FARGATE_SPOT")
    task = airflow("exit 0", capacity="spot-then-on-demand")
    done = task.run()
    assert done.audit.capacity == "on-demand"
    assert (task.launches(), task.tries) == (1, 1)


def test_a_spent_launch_budget_fails_the_try_and_is_retried_by_airflow(airflow: Make, inject: Inject) -> None:
    inject("capacity")
    task = airflow("exit 0", retries=1, generation=1)
    with pytest.raises(errors.RejectedLaunchError, match="did not start within its launch budget") as raised:
        task.run()
    assert "Capacity is unavailable" in str(raised.value)
    assert "This was the last try" in str(raised.value)
    assert (task.launches(), task.tries) == (0, 2)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("cannot-pull", {"message": "CannotPullContainerError: i/o timeout"}),
        ("resource-initialization", {"message": "ResourceInitializationError: context deadline exceeded"}),
        ("eni-timeout", {"seconds": 0.2}),
    ],
)
def test_a_failed_start_is_launched_again_without_consuming_a_try(
    airflow: Make, inject: Inject, fault: str, rule: dict[str, Any]
) -> None:
    inject(fault, times=1, **rule)
    task = airflow(WRITE)
    assert task.run().xcom["rows"] == 7
    assert (task.launches(), task.tries) == (2, 1)
    assert_said(task, "failed start", "launching again")


def test_a_task_stuck_before_running_is_stopped_at_the_start_deadline_and_launched_again(
    airflow: Make, inject: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_ECS__LAUNCH__START_DEADLINE_SECONDS", "5")
    inject("stuck", state="PENDING", times=1)
    task = airflow("exit 0")
    task.run()
    assert (task.launches(), task.tries) == (2, 1)
    assert_said(task, "start deadline passed")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cannot-pull", "CannotPullContainerError: failed to resolve ref: not found"),
        ("resource-initialization", "ResourceInitializationError: AccessDeniedException: not authorized"),
    ],
)
def test_a_permanent_start_failure_fails_at_once_with_a_diagnosis(
    airflow: Make, inject: Inject, fault: str, message: str
) -> None:
    inject(fault, message=message)
    task = airflow("exit 0")
    with pytest.raises(errors.PermanentStartError, match="can never start") as raised:
        task.run()
    assert message in str(raised.value)
    assert "datavision doctor" in str(raised.value)
    assert (task.launches(), task.tries) == (1, 1)


def test_an_access_denied_launch_fails_at_once(airflow: Make, inject: Inject) -> None:
    inject("access-denied", action="RunTask")
    task = airflow("exit 0")
    with pytest.raises(errors.PermanentStartError, match="not authorized to perform: ecs:RunTask"):
        task.run()
    assert (task.launches(), task.tries) == (0, 1)


def test_another_digest_than_the_pinned_one_fails_at_once_and_is_stopped(airflow: Make, mode: str) -> None:
    task = airflow("sleep 60", mode)
    task.job = replace(task.job, image=task.job.image.model_copy(update={"digest": "sha256:" + "b" * 64}))
    with pytest.raises(errors.DigestMismatchError, match="another image than the pinned one"):
        task.run()
    assert (task.launches(), task.tries) == (1, 1)
    assert task.platform.running() == []


def test_a_spot_interruption_is_launched_again_on_demand(airflow: Make, inject: Inject) -> None:
    inject("spot-interruption", seconds=0.3, warning_seconds=0.2, times=1)
    task = airflow("sleep 1.5; " + WRITE, capacity="spot-then-on-demand")
    done = task.run()
    assert done.audit.capacity == "on-demand"
    assert (task.launches(), task.tries) == (2, 1)
    assert_said(task, "Spot interruption")


EAT = "python -c \"import time; data = b'x' * ({} * 2**20); time.sleep(2)\""


def test_out_of_memory_is_retried_with_the_next_size_which_the_next_run_starts_with(airflow: Make) -> None:
    task = airflow(EAT.format(700))
    task.job = replace(task.job, key=replace(task.job.key, task_id="memoria"))
    done = task.run()
    assert (done.audit.cpu, done.audit.memory) == (256, 1024)
    assert "out-of-memory" in done.audit.why_size
    assert (task.launches(), task.tries) == (2, 2)
    following = airflow(EAT.format(700))
    following.job = replace(following.job, key=replace(following.job.key, task_id="memoria"))
    assert "remembered" in following.run().audit.why_size
    assert (following.launches(), following.tries) == (1, 1)


def test_out_of_memory_at_the_ceiling_fails_at_once(airflow: Make) -> None:
    task = airflow(EAT.format(700), max_memory=512)
    with pytest.raises(errors.MemoryCeilingError, match="Increase the module's max_memory"):
        task.run()
    assert (task.launches(), task.tries) == (1, 1)


def test_a_business_failure_is_retried_and_shows_its_last_lines(airflow: Make, mode: str) -> None:
    task = airflow("for n in $(seq 30); do echo line $n; done; exit 1", mode, retries=2)
    with pytest.raises(errors.BusinessError, match="exit code  1") as raised:
        task.run()
    assert "| line 30" in str(raised.value)
    assert "| line 10" not in str(raised.value)
    assert (task.launches(), task.tries) == (1 if mode == "shared" else 3, 3)


@pytest.mark.parametrize(("code", "error"), [(2, errors.UsageError), (3, errors.QualityError)])
def test_usage_and_quality_fail_at_once(airflow: Make, code: int, error: type[Exception]) -> None:
    task = airflow(f"echo why it failed >&2; exit {code}")
    with pytest.raises(error, match="why it failed"):
        task.run()
    assert (task.launches(), task.tries) == (1, 1)


def test_a_quality_failure_names_the_failing_checks(airflow: Make) -> None:
    gate = {"quality": [{"table": "contents", "check": "orphans", "detail": "2 rows", "outcome": "error"}]}
    task = airflow(f'python -c "from datavision_runtime import write_result; write_result({gate!r})"; exit 3')
    with pytest.raises(errors.QualityError, match="contents: orphans: 2 rows"):
        task.run()


@pytest.fixture
def away(platform: Any, inject: Inject, quick_missing: None) -> Callable[[Any], None]:
    """Let a deferred task's container end, and ECS forget it, before the triggerer looks at it."""
    inject("record-expiry", seconds=0)

    def until_forgotten(trigger: Any) -> None:
        for _ in range(300):
            if not platform.ecs.describe_tasks(cluster=trigger.cluster, tasks=[trigger.watch["arn"]])["tasks"]:
                return
            time.sleep(0.1)
        raise AssertionError("ECS still knows the task after 30 s")

    return until_forgotten


def test_a_lost_record_is_decided_by_the_result(airflow: Make, away: Callable[[Any], None]) -> None:
    task = airflow(WRITE, "triggerer")
    task.on_deferred = away
    done = task.run()
    assert done.xcom["rows"] == 7
    assert done.audit.reason == "ECS forgot the task; its result says it succeeded"
    assert (len(task.audits()), task.tries) == (1, 1)


def test_a_lost_record_without_a_result_is_retried(airflow: Make, away: Callable[[Any], None]) -> None:
    task = airflow("exit 1", "triggerer", retries=1)
    task.on_deferred = away
    with pytest.raises(errors.LostTaskError, match="ECS no longer knows the container of pipeline"):
        task.run()
    assert [audit.outcome for audit in task.audits()] == ["lost record", "lost record"]
    assert all(audit.seconds > 0 and audit.stopped_at is None for audit in task.audits()), "as datavision-run measured"


def test_a_container_stopped_by_someone_else_is_retried(airflow: Make, platform: Any) -> None:
    task = airflow("sleep 30", "triggerer", retries=0)

    def stopped_in_the_console(trigger: Any) -> None:
        platform.ecs.stop_task(cluster=platform.config.ecs.cluster, task=trigger.watch["arn"], reason="by hand")

    task.on_deferred = stopped_in_the_console
    with pytest.raises(errors.StoppedError, match="stopped from outside Airflow"):
        task.run()


def test_a_time_out_stops_the_container_and_says_so(airflow: Make) -> None:
    task = airflow("trap 'echo bye; exit 143' TERM; echo up; sleep 60 & wait", execution_timeout=0.5)
    lifecycle = Lifecycle(task.host())
    step = lifecycle.begin()
    assert isinstance(step, Waiting)
    assert step.timeout is not None
    assert step.timeout <= 1
    with pytest.raises(errors.TaskTimeoutError, match="longer than its execution_timeout"):
        lifecycle.time_out()
    assert task.platform.running() == []


def test_a_success_that_came_before_the_time_out_counts(airflow: Make) -> None:
    task = airflow(WRITE, execution_timeout=60.0)
    lifecycle = Lifecycle(task.host())
    task.wait(lifecycle.begin())
    done = lifecycle.time_out()
    assert isinstance(done, Finished)
    assert done.xcom["rows"] == 7


@pytest.mark.parametrize("text", ["not json", "[1]", '{"result": 5}'])
def test_a_result_that_breaks_the_contract_fails_at_once(airflow: Make, platform: Any, text: str) -> None:
    task = airflow("exit 0", "triggerer")

    def overwritten(trigger: Any) -> None:
        bucket, key = platform.config.storage.results_bucket, trigger.position_key.removesuffix(".log-position")
        client(platform.cloud, "s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    task.on_stopped = overwritten
    with pytest.raises(errors.ResultError, match="its result cannot be used"):
        task.run()
    assert (task.launches(), task.tries) == (1, 1)


def test_the_size_of_every_launch_is_declared_to_ecs(airflow: Make, platform: Any) -> None:
    task = airflow("exit 0", declared=FargateSize(512, 1024))
    arn = task.run().audit.task_arn
    described = platform.ecs.describe_tasks(cluster=platform.config.ecs.cluster, tasks=[arn])["tasks"][0]
    assert (described["cpu"], described["memory"]) == ("512", "1024")
