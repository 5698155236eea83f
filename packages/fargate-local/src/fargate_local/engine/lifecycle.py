"""The life of one task, from PROVISIONING to STOPPED."""

import asyncio
import contextlib
import errno
import os
import signal
import threading
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fargate_local.cloud.catalog import Catalog
from fargate_local.engine.environment_files import variables_of
from fargate_local.engine.health import HEALTHY, UNKNOWN, Health, task_health
from fargate_local.engine.logs import LogPump
from fargate_local.engine.pace import Pace
from fargate_local.engine.records import Records
from fargate_local.engine.storage import check_room
from fargate_local.engine.supervisor import CannotStartError, Supervisor
from fargate_local.engine.task import TaskRecord
from fargate_local.faults.rules import Fault, FaultRule, FaultRules
from fargate_local.protocol import reasons
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import ContainerPlan, HealthCheck, TaskPlan
from fargate_local.runtimes.base import Ending, Image, Runtime, Spawn

T = TypeVar("T")

DRAIN_SECONDS = 5.0
FOREVER = 365 * 24 * 3600.0


class StoppedError(Exception):
    """The task was told to stop while it was still starting."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every task's lifecycle needs."""

    catalog: Catalog
    faults: FaultRules
    lock: threading.RLock
    loop: asyncio.AbstractEventLoop
    logs: LogPump
    records: Records
    runtime: Runtime
    supervisor: Supervisor
    environment: Callable[[TaskPlan, ContainerPlan, str], dict[str, str]]
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    make_stream: Callable[[ContainerPlan], None]
    before_start: Callable[[TaskPlan], None] | None
    pace: Pace | None
    before_stop: Callable[[TaskPlan], Awaitable[None]]


class ContainerLife:
    """One container: waits for what it depends on, runs, ends."""

    def __init__(self, plan: ContainerPlan, description: dict[str, Any]) -> None:
        self.plan = plan
        self.ident: str = description["containerArn"].rsplit("/", 1)[-1]
        self.description = description
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.healthy = asyncio.Event()
        self.exit_code: int | None = None
        self.drained = asyncio.Event()
        self.settled = asyncio.Event()
        self.settled.set()
        self.running = False
        self.image: Image | None = None
        self.environment: dict[str, str] = {}


class TaskLife:
    """Runs in the engine's event loop; `decide_stop` may be called from any thread."""

    def __init__(self, task: TaskRecord, plan: TaskPlan, around: Surroundings) -> None:
        self.task = task
        self.plan = plan
        self._around = around
        self._loop = around.loop
        self._stop = asyncio.Event()
        self._kill_after: float | None = None
        self._containers = {
            container.name: ContainerLife(container, task.container(container.name)) for container in plan.containers
        }
        self._jobs: list[asyncio.Task[None]] = []

    def decide_stop(self, code: str, reason: str, kill_after: float | None = None) -> None:
        """End the task. `kill_after` caps the containers' stop timeouts, in seconds."""
        with self._around.lock:
            if not self.task.asked_to_stop:
                self._kill_after = kill_after
            self.task.will_stop(code, reason)
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        """Run the task until it is STOPPED."""
        try:
            await self._start()
            await self._stop.wait()
        except StartError as failure:
            self._fail_start(failure)
        except StoppedError:
            pass
        await self._wind_down()

    def give_up(self) -> None:
        """Mark the task as stopped after an internal error."""
        with self._around.lock:
            self.task.will_stop("TaskFailedToStart", "InternalError: the task could not be run; see the server's log")
            self.task.enter("STOPPED", "stoppedAt")

    @property
    def _is_prepared(self) -> bool:
        """Whether the runtime makes something for the task before its containers, and removes it after them."""
        return self._around.runtime.has_networks or any(container.mounts for container in self.plan.containers)

    async def _start(self) -> None:
        await self._hold("PROVISIONING")
        if rule := self._fault("eni-timeout"):
            await self._unless_stopped(asyncio.sleep(rule.seconds or 0))
            raise StartError(rule.message or reasons.ENI_TIMEOUT)
        if self._around.pace:
            await self._unless_stopped(asyncio.sleep(self._around.pace.provisioning))
        if self._is_prepared:
            # Not cut short by a stop: what is half made could not be removed.
            await self._around.in_thread(partial(self._around.runtime.connect, self.plan))
        self._connect()
        await self._hold("PENDING")
        await self._pull()
        self._enter("ACTIVATING")
        await self._hold("ACTIVATING")
        for life in self._containers.values():
            self._jobs.append(asyncio.ensure_future(self._run_container(life)))
        essential = [life.started.wait() for life in self._containers.values() if life.plan.essential]
        await self._unless_stopped(asyncio.gather(*essential))
        self._watch_for_faults()

    def _connect(self) -> None:
        with self._around.lock:
            for attachment in self.task.body["attachments"]:
                attachment["status"] = "ATTACHED"
            self.task.body["connectivity"] = "CONNECTED"
            self.task.stamp("connectivityAt")
            self.task.enter("PENDING")

    async def _pull(self) -> None:
        with self._around.lock:
            self.task.stamp("pullStartedAt")
        if rule := self._fault("resource-initialization"):
            raise StartError(rule.message or reasons.secret_unreachable(self.plan.region))
        await self._unless_stopped(self._around.in_thread(self._prepare))
        if pace := self._around.pace:
            seconds = await self._around.in_thread(partial(pace.pull, self.plan))
            await self._unless_stopped(asyncio.sleep(seconds))
        if rule := self._fault("cannot-pull"):
            image = self.plan.containers[0].image
            raise StartError(rule.message or reasons.pull_timed_out(image), self.plan.containers[0].name)
        with self._around.lock:
            self.task.stamp("pullStoppedAt")
            for life in self._containers.values():
                if life.image and life.image.digest:
                    life.description["imageDigest"] = life.image.digest

    def _prepare(self) -> None:
        """Get secrets, log streams and images of all containers; runs in a worker thread.

        Raises:
            StartError: Something that a container needs cannot be had.
        """
        if self._around.before_start:
            self._around.before_start(self.plan)
        for life in self._containers.values():
            environment = self._around.environment(self.plan, life.plan, life.ident)
            for file in life.plan.environment_files:
                # The definition's own variables win, and of two files the first.
                environment = {**variables_of(self._around.catalog.environment_file(file)), **environment}
            for name, value_from in life.plan.secrets.items():
                environment[name] = self._around.catalog.secret(self.plan.region, value_from)
            life.environment = environment
            self._around.make_stream(life.plan)
        for life in self._containers.values():
            try:
                life.image = self._around.runtime.pull(self.plan.region, life.plan.image)
            except StartError as failure:
                raise StartError(failure.reason, life.plan.name) from failure
        pulled = [(life.plan.name, life.image) for life in self._containers.values() if life.image]
        check_room(self.plan.storage, pulled)

    async def _run_container(self, life: ContainerLife) -> None:
        try:
            await self._dependencies(life)
            while not self._stop.is_set():
                spawn = await self._launch(life)
                if spawn is None:
                    return
                began = self._loop.time()
                ending = await self._watched(life, spawn)
                if not self._starts_again(life, ending, self._loop.time() - began):
                    self._container_ended(life, ending)
                    return
        except StartError as failure:
            self._fail_start(failure)
        finally:
            life.running = False
            life.ended.set()

    def _starts_again(self, life: ContainerLife, ending: Ending, seconds_run: float) -> bool:
        policy = life.plan.restart
        if policy is None or ending.never_ran or self._stop.is_set():
            return False
        life.running = False
        return policy.holds(ending.code, seconds_run)

    async def _dependencies(self, life: ContainerLife) -> None:
        for name, condition in life.plan.depends_on:
            other = self._containers[name]
            await other.started.wait()
            if condition == "START":
                continue
            reached = [other.ended, other.healthy] if condition == "HEALTHY" else [other.ended]
            if not await first_of(reached, other.plan.start_timeout):
                raise StartError(reasons.dependency_timed_out(name, life.plan.name), life.plan.name)
            failed = {
                "SUCCESS": other.exit_code != 0,
                "HEALTHY": not other.healthy.is_set(),
                "COMPLETE": False,
            }[condition]
            if failed and not self._stop.is_set():
                raise StartError(reasons.dependency_failed(name, life.plan.name), life.plan.name)

    async def _watched(self, life: ContainerLife, spawn: Spawn) -> Ending:
        """Wait for the container to end, running its health check meanwhile."""
        if life.plan.health is None:
            return await self._judged(life)
        watch = asyncio.ensure_future(self._watch_health(life, life.plan.health, spawn))
        try:
            return await self._judged(life)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch_health(self, life: ContainerLife, check: HealthCheck, spawn: Spawn) -> None:
        health = Health(check)
        began = self._loop.time()
        self._health_is(life, UNKNOWN)
        while True:
            await asyncio.sleep(check.interval)
            well = await self._probe(life, check, spawn)
            self._health_is(life, health.heard(well=well, age=self._loop.time() - began))

    def _health_is(self, life: ContainerLife, status: str) -> None:
        if life.description["healthStatus"] == status:
            return
        with self._around.lock:
            life.description["healthStatus"] = status
            self.task.body["healthStatus"] = task_health(
                other.description["healthStatus"]
                for other in self._containers.values()
                if other.plan.essential and other.plan.health
            )
            self.task.changed()
        if status == HEALTHY:
            life.healthy.set()
        else:
            life.healthy.clear()

    async def _probe(self, life: ContainerLife, check: HealthCheck, spawn: Spawn) -> bool:
        """Return whether one run of the health check succeeds, and in time.

        Raises:
            CancelledError: The container ended first.
        """
        supervisor, ident = self._around.supervisor, f"{life.ident}-health"
        probe = self._around.runtime.probe(life.ident, spawn, check.argv, life.environment)
        output = os.open(os.devnull, os.O_WRONLY)
        try:
            await supervisor.start(ident, self.plan.arn, probe, (output, output))
            end = await asyncio.wait_for(supervisor.exit(ident), check.timeout)
        except CannotStartError:
            return False
        except TimeoutError:
            supervisor.signal(ident, signal.SIGKILL)
            await supervisor.exit(ident)
            return False
        except asyncio.CancelledError:
            supervisor.abandon(ident)
            raise
        finally:
            os.close(output)
        return end.code == 0

    async def _launch(self, life: ContainerLife) -> Spawn | None:
        """Start the container's command and return it, or None if the task stopped before it ran.

        Raises:
            StartError: It could not be executed; the text is ECS's.
        """
        image = life.image
        if image is None:
            return None
        spawn = self._around.runtime.spawn(self.plan, life.plan, image, life.environment)
        outputs = self._open_logs(life)
        life.settled.clear()
        try:
            pid, ticks = await self._around.supervisor.start(life.ident, self.plan.arn, spawn, outputs)
        except CannotStartError as error:
            reason = self._around.runtime.cannot_start(spawn, error.errno or errno.EIO, str(error))
            raise StartError(reason, life.plan.name) from error
        finally:
            for output in outputs:
                os.close(output)
            life.settled.set()
        life.running = True
        life.started.set()
        with self._around.lock:
            self._around.records.process_started(life.ident, pid, ticks)
            runtime_id = f"{self.plan.task_id}-{uuid.uuid4().int % 10**10:010}"
            life.description.update(lastStatus="RUNNING", runtimeId=runtime_id)
            if all(other.started.is_set() for other in self._containers.values() if other.plan.essential):
                self.task.enter("RUNNING", "startedAt")
            self.task.changed()
        return spawn

    def _open_logs(self, life: ContainerLife) -> tuple[int, int]:
        drained = life.drained = asyncio.Event()
        if life.plan.logs is None:
            drained.set()
            return os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY)

        def delivered() -> None:
            self._loop.call_soon_threadsafe(drained.set)

        return self._around.logs.open(life.plan.logs, delivered, in_order=self._around.runtime.writes_in_order)

    async def _judged(self, life: ContainerLife) -> Ending:
        """Wait for the container to end and return how the runtime interprets it."""
        end = await self._around.supervisor.exit(life.ident)
        runtime = self._around.runtime
        judge = partial(runtime.judge, life.ident, life.plan, end, asked_to_stop=self._stop.is_set())
        return await self._around.in_thread(judge) if runtime.judges_slowly else judge()

    def _container_ended(self, life: ContainerLife, end: Ending) -> None:
        if end.never_ran:
            self._around.records.process_ended(life.ident)
            raise StartError(end.never_ran, life.plan.name)
        with self._around.lock:
            self._around.records.process_ended(life.ident)
            life.exit_code = end.code
            life.description.update(lastStatus="STOPPED", exitCode=end.code)
            if end.out_of_memory:
                life.description["reason"] = reasons.OUT_OF_MEMORY
            self.task.changed()
            alive = any(not other.ended.is_set() and other is not life for other in self._containers.values())
            if life.plan.essential or not alive:
                self.task.will_stop("EssentialContainerExited", reasons.ESSENTIAL_EXITED)
        if self.task.asked_to_stop:
            self._stop.set()

    def _fail_start(self, failure: StartError) -> None:
        with self._around.lock:
            if failure.container and not self.task.asked_to_stop:
                self.task.container(failure.container)["reason"] = failure.reason
            self.task.will_stop("TaskFailedToStart", failure.reason)
        self._stop.set()

    async def _wind_down(self) -> None:
        ran = "startedAt" in self.task.body
        if ran:
            await self._pass_through("DEACTIVATING")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._around.before_stop(self.plan), self._kill_after)
        if self._jobs:
            await self._pass_through("STOPPING")
        await self._end_containers()
        with self._around.lock:
            for life in self._containers.values():
                life.description["lastStatus"] = "STOPPED"
            self.task.stamp("executionStoppedAt")
        await self._pass_through("DEPROVISIONING")
        if self._is_prepared:
            await self._around.in_thread(partial(self._around.runtime.release, self.plan))
        with self._around.lock:
            for attachment in self.task.body["attachments"]:
                attachment["status"] = "DELETED"
            self.task.enter("STOPPED", "stoppedAt")

    async def _end_containers(self) -> None:
        """Send SIGTERM, wait for the stop timeout, send SIGKILL: each container after those that depend on it."""
        await asyncio.gather(*(self._end_container(life) for life in self._containers.values()))
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        drains = [life.drained.wait() for life in self._containers.values() if life.started.is_set()]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*drains), DRAIN_SECONDS)

    async def _end_container(self, life: ContainerLife) -> None:
        for other in self._containers.values():
            if life.plan.name in (name for name, _ in other.plan.depends_on) and other.running:
                await other.ended.wait()
        await life.settled.wait()
        if not life.running:
            return
        runtime, send = self._around.runtime, self._around.supervisor.signal
        runtime.send_signal(life.ident, signal.SIGTERM, send)
        timeout = life.plan.stop_timeout if self._kill_after is None else min(life.plan.stop_timeout, self._kill_after)
        try:
            await asyncio.wait_for(life.ended.wait(), timeout)
        except TimeoutError:
            runtime.send_signal(life.ident, signal.SIGKILL, send)
            await life.ended.wait()

    def _watch_for_faults(self) -> None:
        if rule := self._fault("spot-interruption"):
            # The notice is SIGTERM; what is still there when its time is over gets SIGKILL.
            self._later(rule, "SpotInterruption", reasons.SPOT_INTERRUPTED, rule.warning_seconds)
        if rule := self._fault("host-lost"):
            self._later(rule, "TerminationNotice", reasons.HOST_LOST, 0.0)
        if rule := self._fault("out-of-memory"):
            self._jobs.append(asyncio.ensure_future(self._run_out_of_memory(rule)))

    def _later(self, rule: FaultRule, code: str, reason: str, kill_after: float) -> None:
        handle = self._loop.call_later(
            rule.seconds or 0.0, lambda: self.decide_stop(code, rule.message or reason, kill_after)
        )
        self._jobs.append(asyncio.ensure_future(self._cancel_when_stopped(handle)))

    async def _cancel_when_stopped(self, handle: asyncio.TimerHandle) -> None:
        await self._stop.wait()
        handle.cancel()

    async def _run_out_of_memory(self, rule: FaultRule) -> None:
        await asyncio.sleep(rule.seconds or 0.0)
        for life in self._containers.values():
            if life.running and life.plan.essential:
                with self._around.lock:
                    life.description["reason"] = rule.message or reasons.OUT_OF_MEMORY
                self._around.runtime.send_signal(life.ident, signal.SIGKILL, self._around.supervisor.signal)
                return

    def _fault(self, kind: Fault) -> FaultRule | None:
        return self._around.faults.draw(
            kind, cluster=self.plan.cluster, family=self.plan.family, capacity_provider=self.plan.capacity
        )

    def _enter(self, state: str, stamp: str | None = None) -> None:
        with self._around.lock:
            self.task.enter(state, stamp)

    async def _hold(self, state: str) -> None:
        """Stay in a state for as long as a rule says.

        Raises:
            StoppedError: The task was told to stop meanwhile.
        """
        seconds = self._hold_seconds(state)
        if seconds:
            await self._unless_stopped(asyncio.sleep(seconds))
        elif self._stop.is_set():
            raise StoppedError

    async def _pass_through(self, state: str) -> None:
        self._enter(state)
        seconds = self._hold_seconds(state)
        if seconds:
            await asyncio.sleep(seconds)

    def _hold_seconds(self, state: str) -> float:
        rule = self._around.faults.draw(
            "stuck",
            state=state,
            cluster=self.plan.cluster,
            family=self.plan.family,
            capacity_provider=self.plan.capacity,
        )
        if rule is None:
            return 0.0
        return FOREVER if rule.seconds is None else rule.seconds

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """Return the result of `work`.

        Raises:
            StoppedError: The task was told to stop first.
        """
        job = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if job.done() and not self._stop.is_set():
            return job.result()
        job.cancel()
        with contextlib.suppress(asyncio.CancelledError, StartError):
            await job
        raise StoppedError


async def first_of(events: list[asyncio.Event], seconds: float | None) -> bool:
    """Wait for one of the events; return False if `seconds` pass first."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)
