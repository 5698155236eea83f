"""The executor keeps the two parts of a deferred task apart, and survives the death of its workers."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def executor() -> Any:
    from datavision.executor import ResilientLocalExecutor

    class WithoutWorkers(ResilientLocalExecutor):
        """Takes workloads and lets the test play the workers."""

        def _check_workers(self) -> None:
            return

    made = WithoutWorkers(parallelism=1)
    made.is_mp_using_fork = False
    made.start()
    return made


def hand_out(executor: Any, *keys: str) -> None:
    """The workloads `sleep` never end, others at once; `broken` fails."""
    states = {"running_state": None, "success_state": "success", "failure_state": "failed"}
    workloads = [SimpleNamespace(key=key, display_name=key, **states) for key in keys]
    executor.queued_tasks.update({workload.key: workload for workload in workloads})
    executor._process_workloads(workloads)


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


def play(workload: Any, **_: Any) -> int:
    if workload.key.startswith("sleep"):
        time.sleep(600)
    if workload.key.startswith("broken"):
        raise RuntimeError(workload.key)
    return 0


@pytest.fixture
def with_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two real workers, which are killed at the end."""
    from airflow.executors.base_executor import BaseExecutor

    from datavision.executor import ResilientLocalExecutor

    monkeypatch.setattr(BaseExecutor, "run_workload", staticmethod(play))
    made = ResilientLocalExecutor(parallelism=2)
    made.start()
    yield made
    kill(made)
    made.end()


def kill(executor: Any, *, idle_only: bool = False) -> None:
    for worker in executor._workers:
        if not (idle_only and worker.workload):
            os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.join()


def events(executor: Any, n: int) -> dict[str, str]:
    """The states that come, until there are so many."""
    found: dict[str, str] = {}

    def came() -> bool:
        executor.sync()
        found.update({key: state for key, (state, _) in executor.get_event_buffer().items()})
        return len(found) >= n

    wait_for(came)
    return found


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_more_workloads_than_workers_all_end(with_workers: Any) -> None:
    hand_out(with_workers, "a", "b", "c", "broken")
    assert events(with_workers, 4) == {"a": "success", "b": "success", "c": "success", "broken": "failed"}
    assert len(with_workers._workers) == 2


def test_the_death_of_workers_that_wait_keeps_no_other_from_working(with_workers: Any) -> None:
    """Upstream all but one wait for a lock that the one has: killed, it keeps the lock."""
    kill(with_workers)
    hand_out(with_workers, "a", "b")
    assert events(with_workers, 2) == {"a": "success", "b": "success"}
    hand_out(with_workers, "sleep")
    kill(with_workers, idle_only=True)
    hand_out(with_workers, "c")
    assert events(with_workers, 1) == {"c": "success"}


def test_what_a_killed_worker_had_is_reported_as_failed_and_its_slot_is_free_again(with_workers: Any) -> None:
    with_workers.running |= {"sleep 1", "sleep 2"}
    hand_out(with_workers, "sleep 1", "sleep 2")
    hand_out(with_workers, "waits")
    kill(with_workers)
    assert events(with_workers, 3) == {"sleep 1": "failed", "sleep 2": "failed", "waits": "success"}
    assert with_workers.running == set()
    assert not with_workers.has_task(task("sleep 1"))


def test_the_end_waits_for_what_runs(with_workers: Any) -> None:
    hand_out(with_workers, "a", "b")
    with_workers.end()
    assert {key: state for key, (state, _) in with_workers.get_event_buffer().items()} == {
        "a": "success",
        "b": "success",
    }
    assert with_workers._workers == []


def test_upstream_still_has_the_race_that_this_executor_is_for(executor: Any) -> None:
    """When this fails, a release of Airflow has the fix: the executor need not count what it hands out."""
    import inspect

    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    guard = inspect.getsource(SchedulerJobRunner.process_executor_events).partition("ti_requeued = (")[2]
    assert "TaskInstanceState.RUNNING" not in guard.partition("if ti_queued")[0]


def test_upstream_still_has_one_queue_for_all_workers() -> None:
    """When this fails, look whether its workers may be killed now: then datavision.executor has no purpose."""
    import inspect

    from airflow.executors.local_executor import LocalExecutor

    assert '"input": self.activity_queue' in inspect.getsource(LocalExecutor._spawn_worker)
