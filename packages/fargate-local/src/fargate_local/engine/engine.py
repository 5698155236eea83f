"""The engine: one event loop in one thread that runs the lifecycle of every task."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fargate_local.clock import Clock
from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.engine.lifecycle import Surroundings, TaskLife
from fargate_local.engine.logs import LogPump, logs_request
from fargate_local.engine.pace import Pace
from fargate_local.engine.records import TOKEN_LIFE, Records
from fargate_local.engine.supervisor import Supervisor, end_orphans
from fargate_local.engine.task import OnChange, TaskRecord
from fargate_local.faults.rules import FaultRules
from fargate_local.protocol import reasons
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import ContainerPlan, TaskPlan
from fargate_local.runtimes.base import Runtime

log = logging.getLogger(__name__)

RECORD_LIFE = 3600.0
EXPIRY_INTERVAL = 1.0
PREPARING_THREADS = 8
CLOSE_SECONDS = 10.0

Environment = Callable[[TaskPlan, ContainerPlan, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine is made of.

    ``record_life`` is how many seconds a stopped task stays visible. ``before_start`` is called in a worker thread
    before a task's images are pulled and may raise StartError; with a ``pace`` starting takes time. ``before_stop`` is
    called before the containers of a task that ran are stopped, and they are when its results are there.
    """

    gate: MotoGate
    catalog: Catalog
    records: Records
    clock: Clock
    faults: FaultRules
    runtime: Runtime
    environment: Environment
    on_change: OnChange
    record_life: float = RECORD_LIFE
    before_start: Callable[[TaskPlan], None] | None = None
    pace: Pace | None = None
    before_stop: Callable[[str], "list[Future[None]]"] | None = None


class Engine:
    """Starts and stops tasks. Its public methods may be called from any thread."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.lock = threading.RLock()
        self._lives: dict[str, TaskLife] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._closing = False
        self._recover()
        self._logs = LogPump(parts.gate)
        self._threads = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="prepare")
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        self._ready.wait()

    def launch(self, described: list[tuple[dict[str, Any], TaskPlan]]) -> None:
        """Start the lifecycle of tasks whose records exist."""
        lives = []
        with self.lock:
            for body, plan in described:
                record = TaskRecord(body, self.parts.records, self.parts.clock, self.parts.on_change)
                life = self._lives[plan.arn] = TaskLife(record, plan, self._around)
                if self._closing:
                    life.decide_stop("TerminationNotice", reasons.HOST_LOST)
                lives.append(life)
        self._loop.call_soon_threadsafe(self._begin, lives)

    def stop(self, arn: str, code: str, reason: str) -> bool:
        """Decide how a task ends, unless it has ended already; return False when there is no such task."""
        with self.lock:
            life = self._lives.get(arn)
            if life is not None:
                life.decide_stop(code, reason)
                return True
            return bool(self.parts.records.find([arn]))

    def close(self) -> None:
        """Stop every task as if its host were lost, wait until they have ended, and free everything."""
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._threads.shutdown(cancel_futures=True)
        self._logs.close()
        self.parts.runtime.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._supervisor = Supervisor(self._loop)
        self._around = Surroundings(
            catalog=self.parts.catalog,
            faults=self.parts.faults,
            loop=self._loop,
            lock=self.lock,
            logs=self._logs,
            records=self.parts.records,
            runtime=self.parts.runtime,
            supervisor=self._supervisor,
            environment=self.parts.environment,
            in_thread=lambda work: self._loop.run_in_executor(self._threads, work),
            make_stream=self._make_stream,
            before_start=self.parts.before_start,
            pace=self.parts.pace,
            before_stop=self._before_stop,
        )
        expiry = self._loop.create_task(self._expire_forever())
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            expiry.cancel()
            self._supervisor.close()
            self._loop.run_until_complete(asyncio.gather(expiry, return_exceptions=True))
            self._loop.close()

    def _begin(self, lives: list[TaskLife]) -> None:
        for life in lives:
            job = self._loop.create_task(self._live(life))
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _live(self, life: TaskLife) -> None:
        try:
            await life.run()
        except Exception:
            log.exception("task %s failed with an internal error", life.plan.arn)
            life.give_up()
        finally:
            with self.lock:
                self._lives.pop(life.plan.arn, None)

    async def _before_stop(self, plan: TaskPlan) -> None:
        if self.parts.before_stop:
            waits = [asyncio.wrap_future(each) for each in self.parts.before_stop(plan.arn)]
            for failure in await asyncio.gather(*waits, return_exceptions=True):
                if isinstance(failure, Exception):
                    log.error("task %s stops without being deregistered", plan.arn, exc_info=failure)

    async def _end_all(self) -> None:
        self._closing = True
        with self.lock:
            lives = list(self._lives.values())
        for life in lives:
            life.decide_stop("TerminationNotice", reasons.HOST_LOST, kill_after=2.0)
        if self._jobs:
            # A rule may hold a task in a state forever; the warden kills its containers all the same.
            _, stuck = await asyncio.wait(self._jobs, timeout=CLOSE_SECONDS)
            for job in stuck:
                job.cancel()

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL)
            now = self.parts.clock.now()
            rule = self.parts.faults.draw("record-expiry")
            life = self.parts.record_life if rule is None or rule.seconds is None else rule.seconds
            self.parts.records.expire(now - life, now - TOKEN_LIFE)

    def _make_stream(self, plan: ContainerPlan) -> None:
        """Create a container's log stream, and its group if the definition asks for it.

        Raises:
            StartError: The group does not exist and may not be created.
        """
        target = plan.logs
        if target is None:
            return
        catalog = self.parts.catalog
        if not catalog.has_log_group(target.region, target.group):
            if not target.create_group:
                raise StartError(reasons.log_group_missing(), plan.name)
            catalog.make_log_group(target.region, target.group)
        names = {"logGroupName": target.group, "logStreamName": target.stream}
        self.parts.gate.handle(logs_request("CreateLogStream", target.region, names))

    def _recover(self) -> None:
        """Clean up after a server that crashed: its processes, and the records of tasks that ran on it."""
        records = self.parts.records
        processes = records.processes()
        end_orphans(processes)
        for container, _, _ in processes:
            records.process_ended(container)
        self.parts.runtime.end_leftovers()
        for body in records.unfinished():
            record = TaskRecord(body, records, self.parts.clock, self.parts.on_change)
            record.will_stop("TerminationNotice", reasons.HOST_LOST)
            for container in body["containers"]:
                container["lastStatus"] = "STOPPED"
            record.stamp("executionStoppedAt")
            record.enter("STOPPED", "stoppedAt")
