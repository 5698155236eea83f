"""The executor keeps the two parts of a deferred task apart."""

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def executor() -> Any:
    from datavision.executor import ResumeSafeLocalExecutor

    class WithoutWorkers(ResumeSafeLocalExecutor):
        """Takes workloads and lets the test play the workers."""

        def _check_workers(self) -> None:
            return

    made = WithoutWorkers(parallelism=1)
    made.is_mp_using_fork = False
    made.start()
    return made


def hand_out(executor: Any, key: str) -> None:
    workload = SimpleNamespace(key=key)
    executor.queued_tasks[key] = workload
    executor._process_workloads([workload])


def task(key: str) -> Any:
    return SimpleNamespace(key=key, id=f"id of {key}")


def test_the_end_of_the_part_before_a_deferral_is_not_taken_for_the_end_of_the_task(executor: Any) -> None:
    hand_out(executor, "a")
    hand_out(executor, "a")
    executor.change_state("a", "success")
    assert executor.get_event_buffer() == {}
    assert executor.has_task(task("a"))


def test_the_end_of_the_last_part_is_reported(executor: Any) -> None:
    hand_out(executor, "a")
    hand_out(executor, "a")
    executor.change_state("a", "success")
    executor.change_state("a", "failed")
    assert executor.get_event_buffer() == {"a": ("failed", None)}
    assert not executor.has_task(task("a"))


def test_a_task_that_does_not_defer_is_reported_at_once(executor: Any) -> None:
    hand_out(executor, "a")
    assert executor.has_task(task("a"))
    executor.change_state("a", "success")
    assert executor.get_event_buffer() == {"a": ("success", None)}
    assert not executor.has_task(task("a"))
    assert not executor.has_task(task("never seen"))


def test_upstream_still_has_the_race_that_this_executor_is_for(executor: Any) -> None:
    """When this fails, a release of Airflow has the fix: remove datavision.executor."""
    import inspect

    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    guard = inspect.getsource(SchedulerJobRunner.process_executor_events).partition("ti_requeued = (")[2]
    assert "TaskInstanceState.RUNNING" not in guard.partition("if ti_queued")[0]
