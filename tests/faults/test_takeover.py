"""Whatever is killed, and whenever: never a second container, never a lost one."""

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Finished
from datavision.fargate.launching import record

Make = Callable[..., Any]
WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


class Killed(BaseException):
    """The worker ends here, as by kill -9: nothing of ours runs after it."""


def killing(original: Callable[..., Any], call: int, *, before: bool) -> Callable[..., Any]:
    """Wrap a function so that its n-th call is the last thing that happens."""
    calls = 0

    def wrapper(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and before:
            raise Killed
        answer = original(*arguments)
        if calls == call:
            raise Killed
        return answer

    return wrapper


MOMENTS: dict[str, tuple[str, int, bool]] = {
    "before the launch is stored": ("launching.record.write_launch", 1, True),
    "between storing the launch and calling RunTask": ("launching.record.write_launch", 1, False),
    "as RunTask is called": ("attempt.launcher.run_task", 1, True),
    "before RunTask's answer arrives": ("attempt.launcher.run_task", 1, False),
    "before the ARN is stored": ("launching.record.write_launch", 2, True),
    "after the ARN is stored": ("launching.record.write_launch", 2, False),
}


def kill(patch: pytest.MonkeyPatch, moment: str) -> None:
    """Kill the worker at this moment of its launch."""
    function, call, before = MOMENTS[moment]
    path = f"datavision.fargate.{function}"
    patch.setattr(path, killing(pkgutil.resolve_name(path), call, before=before))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_while_launching_leaves_one_container_that_the_retry_takes_over(
    airflow: Make, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    task = airflow("sleep 1; " + WRITE)
    with monkeypatch.context() as patch:
        kill(patch, moment)
        with pytest.raises(Killed):
            task.run()
    assert task.run().xcom["rows"] == 7
    assert (task.launches(), task.tries) == (1, 2)


def test_a_worker_killed_while_waiting_leaves_a_container_that_the_retry_attaches_to(airflow: Make) -> None:
    task = airflow("sleep 1; " + WRITE)
    task.tries = 1
    Lifecycle(task.host()).begin()
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1
    assert "Attaching to" in "\n".join(task.said)


def test_a_container_that_finished_while_airflow_was_away_is_accepted(airflow: Make) -> None:
    task = airflow(WRITE)
    task.tries = 1
    task.wait(Lifecycle(task.host()).begin())
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1


def test_a_result_that_was_taken_but_not_reported_is_taken_again(airflow: Make) -> None:
    task = airflow(WRITE)
    task.run()
    assert task.run().xcom["rows"] == 7
    assert (task.launches(), task.tries) == (1, 2)


def test_a_container_that_died_while_airflow_was_away_is_replaced(airflow: Make) -> None:
    task = airflow("exit 1")
    task.tries = 1
    task.wait(Lifecycle(task.host()).begin())
    task.job = replace(task.job, command=lambda: ("sh", "-c", WRITE))
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 2
    assert [audit.outcome for audit in task.audits()] == ["business failure", "success"]


def test_a_container_that_lacked_memory_while_airflow_was_away_is_replaced_by_a_larger_one(airflow: Make) -> None:
    task = airflow("python -c \"import time; data = b'x' * (700 * 2**20); time.sleep(2)\"")
    task.job = replace(task.job, key=replace(task.job.key, task_id="memoria_lejos"))
    task.tries = 1
    task.wait(Lifecycle(task.host()).begin())
    assert task.run().audit.memory == 1024


def test_a_lost_answer_of_run_task_does_not_launch_twice(airflow: Make, platform: Any) -> None:
    platform.fargate.add_fault("response-lost", action="RunTask", times=5)
    task = airflow("sleep 0.5; " + WRITE)
    assert task.run().xcom["rows"] == 7
    assert (task.launches(), task.tries) == (1, 1)


def test_a_launch_whose_token_has_expired_is_found_by_its_tag(airflow: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = airflow("sleep 1; " + WRITE)
    with monkeypatch.context() as patch:
        kill(patch, "before RunTask's answer arrives")
        with pytest.raises(Killed):
            task.run()
    task.store.values["fargate_launch"]["intended_at"] -= 2 * record.TOKEN_SECONDS
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1


def test_a_cleared_task_stops_its_running_container_and_launches_anew(airflow: Make, platform: Any) -> None:
    task = airflow("sleep 30")
    task.tries = 1
    Lifecycle(task.host()).begin()
    (leftover,) = platform.running()
    task.job = replace(task.job, generation=4, command=lambda: ("sh", "-c", WRITE))
    assert task.run().xcom["rows"] == 7
    stopped = platform.ecs.describe_tasks(cluster=platform.config.ecs.cluster, tasks=[leftover])["tasks"][0]
    assert stopped["lastStatus"] == "STOPPED"
    assert "replaced after its task was cleared" in stopped["stoppedReason"]
    assert task.launches() == 2


def test_a_cleared_success_runs_again(airflow: Make) -> None:
    task = airflow(WRITE)
    task.run()
    task.job = replace(task.job, generation=4)
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 2


def test_a_container_stopped_by_the_kill_of_an_earlier_try_is_launched_again(airflow: Make, platform: Any) -> None:
    task = airflow("sleep 1; " + WRITE)
    lifecycle = Lifecycle(task.host())
    lifecycle.begin()
    other_worker = Lifecycle(task.host())
    other_worker.begin()
    lifecycle.kill()
    step = other_worker.settle(_stopped(platform, lifecycle))
    done = other_worker.settle(task.wait(step))
    assert isinstance(done, Finished)
    assert done.xcom["rows"] == 7
    assert platform.running() == []


def test_killing_waits_until_ecs_says_stopped_and_accounts_for_it(airflow: Make, platform: Any) -> None:
    task = airflow("sleep 30")
    lifecycle = Lifecycle(task.host())
    lifecycle.begin()
    lifecycle.kill()
    assert platform.running() == []
    (audit,) = task.audits()
    assert audit.outcome == "stopped by Airflow"
    assert audit.stopped_at is not None
    assert audit.command == ["sh", "-c", "sleep 30"]


def test_killing_before_anything_was_launched_does_nothing(airflow: Make) -> None:
    task = airflow("sleep 30")
    Lifecycle(task.host()).kill()
    assert task.launches() == 0


def test_a_cleared_task_whose_launch_never_happened_just_launches(airflow: Make, monkeypatch: Any) -> None:
    task = airflow(WRITE)
    with monkeypatch.context() as patch:
        kill(patch, "as RunTask is called")
        with pytest.raises(Killed):
            task.run()
    task.job = replace(task.job, generation=4)
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1


def _stopped(platform: Any, lifecycle: Lifecycle) -> dict[str, Any]:
    from datavision.fargate.edge.ecs_tasks import describe

    last = lifecycle.last_launch()
    assert last is not None
    task = describe(platform.ecs, platform.config.ecs.cluster, str(last.arn))
    assert task is not None
    return task
