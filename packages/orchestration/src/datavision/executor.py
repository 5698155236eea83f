"""Airflow's LocalExecutor, without two of its failures.

A task that defers leaves its worker with the event "success". When its trigger fires before the scheduler has read that
event, the task is queued again under the same key, and Airflow 3.3.2 takes the stale event for the resumed task's death
("state mismatch"), which costs a try and a retry delay. Upstream: apache/airflow issues 67287 and 72716, pull requests
68741 and 72767.

All workers of LocalExecutor wait at one queue, and one of them holds its lock. When that one is killed, as the kernel
does when memory is short, nobody ever gets the lock: no task starts any more, and nothing says so. Here each worker has
a queue of its own, and what a killed worker had is reported as failed at once.
"""

import ctypes
import multiprocessing
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import SimpleQueue
from typing import Any

import boto3  # noqa: F401 - see below
from airflow.executors.local_executor import LocalExecutor, _run_worker
from airflow.models.taskinstance import TaskInstance

# Workers are forked from the scheduler, which imports this module: what every task needs is imported once, here.
import datavision.fargate.operator.operator  # noqa: F401 - see below


class Waiting(deque[Any]):
    """Workloads that no worker has yet, with the names that LocalExecutor calls on its queue."""

    put = deque.append

    def empty(self) -> bool:
        """Return whether there are none."""
        return not self

    def close(self) -> None:
        """Forget them."""
        self.clear()


@dataclass
class Worker:
    """A process, and what goes to it and comes from it."""

    process: Any
    given: "SimpleQueue[Any]"
    told: "SimpleQueue[Any]"
    workload: Any = None
    """What it has and has not ended."""

    def ends(self) -> list[tuple[Any, Any, Any]]:
        """Return what it says since the last call: key, state and error of a workload."""
        found = []
        while not self.told.empty():
            found.append(self.told.get())
            if self.workload is not None and found[-1][1] != self.workload.running_state:
                self.workload = None
        return found

    def close(self) -> None:
        """Let go of what it had, once the process has ended."""
        self.process.join()
        self.process.close()
        self.given.close()
        self.told.close()


class ResilientLocalExecutor(LocalExecutor):
    """Survives its workers, and can tell an event from before a deferral from one after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # untyped upstream
        self._handed_out: Counter[Any] = Counter()
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Start with as many workers as tasks may run at once, where processes are forked."""
        super().start()
        self.activity_queue = Waiting()  # type: ignore[assignment] # what is used of a SimpleQueue

    def _spawn_worker(self) -> None:
        given: SimpleQueue[Any] = SimpleQueue()
        told: SimpleQueue[Any] = SimpleQueue()
        process = multiprocessing.Process(
            target=_run_worker,
            kwargs={
                "logger_name": self.log.name,
                "input": given,
                "output": told,
                "unread_messages": multiprocessing.Value(ctypes.c_uint, 2**31),  # nobody reads it
                "team_conf": self.conf,
            },
        )
        process.start()
        self._workers.append(Worker(process, given, told))

    def _process_workloads(self, workload_list: Sequence[Any]) -> None:
        self._handed_out.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call] # untyped upstream

    def _check_workers(self) -> None:
        """Replace the dead, and give each idle worker one of the workloads that wait."""
        for dead in [worker for worker in self._workers if not worker.process.is_alive()]:
            self._bury(dead)
        idle = [worker for worker in self._workers if worker.workload is None]
        lacking = min(len(self.activity_queue) - len(idle), self.parallelism - len(self._workers))  # type: ignore[arg-type] # ours
        if lacking > 0:
            self._spawn_workers_with_gc_freeze(lacking)  # type: ignore[no-untyped-call] # untyped upstream
            idle += self._workers[-lacking:]
        while idle and not self.activity_queue.empty():
            worker = idle.pop()
            worker.workload = self.activity_queue.popleft()  # type: ignore[attr-defined] # ours
            worker.given.put(worker.workload)

    def _bury(self, worker: Worker) -> None:
        self._workers.remove(worker)
        self._report(worker)
        if (lost := worker.workload) is not None:
            self.log.error("Worker %s was killed with %s", worker.process.pid, lost.key)
            self.change_state(lost.key, lost.failure_state, f"its worker was killed ({worker.process.exitcode})")
        worker.close()

    def _read_results(self) -> None:
        for worker in self._workers:
            self._report(worker)

    def _report(self, worker: Worker) -> None:
        for key, state, error in worker.ends():
            self.change_state(key, state, error)

    def end(self) -> None:
        """Wait for what runs, and end."""
        self.log.info("Shutting down; waiting for running tasks to finish. Signal again if you don't want to wait.")
        for worker in self._workers:
            worker.given.put(None)
        for worker in self._workers:
            worker.process.join()
        self._read_results()
        while self._workers:
            self._bury(self._workers[-1])

    def change_state(self, key: Any, state: Any, info: Any = None, remove_running: bool = True) -> None:
        """Record the end of a part, unless another part of the same task instance is under way."""
        self._handed_out[key] -= 1
        if self._handed_out[key] > 0:
            return
        del self._handed_out[key]
        super().change_state(key, state, info, remove_running)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """Return whether the task instance is queued here or with a worker."""
        return self._handed_out[task_instance.key] > 0 or super().has_task(task_instance)
