"""One Airflow task instance from its first launch to its result, whatever happens in between.

Independent of Airflow: the operator passes in the `Host` and carries out the `Step` it gets.
"""

from collections.abc import Mapping
from typing import Any

from datavision.fargate.attempt.accounting import account_launch, close
from datavision.fargate.attempt.failure import failure, log_stream
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.launcher import Launcher
from datavision.fargate.attempt.step_launcher import StepLauncher
from datavision.fargate.attempt.steps import Finished, Pausing, Step, Waiting
from datavision.fargate.attempt.telemetry import send_launch
from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.edge.logs import read_position
from datavision.fargate.launching import record
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.launching.request import Market
from datavision.fargate.outcome import results
from datavision.fargate.outcome.audit import AuditRecord, write_audit
from datavision.fargate.outcome.classify import Ending, Outcome, Wanted, classify
from datavision.fargate.outcome.errors import FargateError, Report, ResultError
from datavision.fargate.outcome.results import MAX_RESULT_BYTES, BadDelivery, Delivered, Delivery
from datavision.fargate.sizing import memory
from datavision.fargate.sizing.sizes import learn, next_size
from datavision.fargate.waiting.watch import Watch

STOP_MARGIN_SECONDS = 60
"""Beyond a container's stop timeout: what ECS needs to report STOPPED."""


class Lifecycle:
    """Launches, finds again, and settles the container of one task instance."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.launcher = StepLauncher(host) if host.job.session else Launcher(host)
        self.live: LaunchRecord | None = None
        """The launch whose container may be running now."""

    def begin(self) -> Step:
        """Attach to, accept or replace what an earlier attempt left behind; launch if there is nothing to use.

        Raises:
            FargateError: This Airflow try has failed.
        """
        previous = record.read_launch(self.host.store)
        if previous is None:
            return self._submit(self.launcher.first())
        if previous.generation != self.host.job.generation:
            self._stop_leftover(previous)
            return self._submit(self.launcher.first())
        return self._take_over(previous)

    def settle(self, task: Mapping[str, Any] | None) -> Step:
        """Decide what a stopped (or, None, forgotten) container means.

        Raises:
            FargateError: It failed.
        """
        return self._settle(self._last(), task)

    def time_out(self) -> Step:
        """Stop the container because execution_timeout has passed; a success that came first still counts.

        Raises:
            FargateError: Nearly always, a TaskTimeoutError.
        """
        last = self._last()
        if last.arn is None:
            reason = "execution_timeout passed before ECS had a task"
            raise failure(self.host, last, Ending(Outcome.TIMEOUT, reason=reason))
        return self._settle(last, self._stop(last, StopReason.TIMEOUT))

    def kill(self) -> None:
        """Stop the container and wait until ECS confirms it; does nothing when none is running."""
        live, self.live = self.live, None
        if live and live.arn:
            task = self._stop(live, StopReason.KILLED)
            self._audit(live, self._ending(task, None), task, None)

    def last_launch(self) -> LaunchRecord | None:
        """Return the last launch, or None before the first."""
        return self.live or record.read_launch(self.host.store)

    def saved_log_position(self) -> str | None:
        """Return how far the triggerer forwarded the last launch's log, or None when it never saved that."""
        last = record.read_launch(self.host.store)
        return read_position(self.host.cloud, self.host.bucket, last.log_position_key) if last else None

    def _take_over(self, previous: LaunchRecord) -> Step:
        own = previous.try_number == self.host.job.try_number
        if previous.arn is None:
            if not own:
                self.host.say(f"Try {previous.try_number} was interrupted while launching; looking for its task")
            return self._resubmit(previous)
        task = self._described(previous)
        if task is not None and task["lastStatus"] != "STOPPED":
            self.host.say(f"Attaching to {previous.arn} of try {previous.try_number} ({task['lastStatus']})")
            return self._wait_for(previous)
        if own or self._succeeded(previous, task):
            return self._settle(previous, task)
        self.host.say(f"The container of try {previous.try_number} has died; launching a new one")
        self._account_for(previous, task)
        return self._submit(self.launcher.first())

    def _resubmit(self, previous: LaunchRecord) -> Step:
        again = self.launcher.resubmit(previous)
        if again is not None:
            return again if isinstance(again, Pausing) else self._take_over(again)
        if self._succeeded(previous, None):
            return self._settle(previous, None)
        return self._submit(self.launcher.first())

    def _described(self, previous: LaunchRecord) -> dict[str, Any] | None:
        """Describe a task, giving ECS time to learn of one that was just launched."""
        task = self.launcher.describe(previous)
        while task is None and self.host.now() - previous.launched_at < self.host.config.ecs.wait.missing_grace_seconds:
            self.host.sleep(1)
            task = self.launcher.describe(previous)
        return task

    def _succeeded(self, previous: LaunchRecord, task: Mapping[str, Any] | None) -> bool:
        delivery = self._delivery(previous) if task is None else None
        return self._ending(task, delivery).outcome is Outcome.SUCCESS

    def _account_for(self, previous: LaunchRecord, task: Mapping[str, Any] | None) -> None:
        """Record a dead container that nobody settled, and remember the size if it ran out of memory."""
        delivery = self._delivery(previous)
        ending = self._ending(task, delivery)
        self._audit(previous, ending, task, delivery)
        if ending.outcome is Outcome.MEMORY and (bigger := next_size(previous.size, self.host.job.max_memory)):
            record.write_grown(self.host.store, bigger)

    def _stop_leftover(self, previous: LaunchRecord) -> None:
        leftover = previous if previous.arn else self.launcher.find(previous)
        if leftover is None:
            return
        self.host.say(f"This task was cleared; making sure its earlier container has stopped: {leftover.arn}")
        task = self._stop(leftover, StopReason.REPLACED)
        self._audit(leftover, self._ending(task, None), task, None)

    def _submit(self, intent: LaunchRecord) -> Step:
        launched = self.launcher.submit(intent)
        return launched if isinstance(launched, Pausing) else self._wait_for(launched)

    def _wait_for(self, launched: LaunchRecord) -> Waiting:
        self.live = launched
        job, ecs = self.host.job, self.host.config.ecs
        start_by = launched.launched_at + ecs.launch.start_deadline_seconds
        watch = Watch(
            arn=str(launched.arn),
            wanted=Wanted(job.module, job.image.digest, start_by),
            launched_at=launched.launched_at,
            usual_seconds=memory.recall(self.host.cloud, self.host.bucket, job.key).usual_seconds,
            min_interval=ecs.wait.min_interval_seconds,
            max_interval=ecs.wait.max_interval_seconds,
            missing_grace=ecs.wait.missing_grace_seconds,
        )
        return Waiting(launched, watch, log_stream(self.host, launched), self._time_left(launched))

    def _time_left(self, launched: LaunchRecord) -> float | None:
        limit, now = self.host.job.execution_timeout, self.host.now()
        if limit is None:
            return None
        began = launched.try_started_at if launched.try_number == self.host.job.try_number else now
        return max(began + limit - now, 1.0)

    def _settle(self, last: LaunchRecord, task: Mapping[str, Any] | None) -> Step:
        self.live = None
        delivery = self._delivery(last)
        ending = self._ending(task, delivery)
        written = self._audit(last, ending, task, delivery)
        match ending.outcome:
            case Outcome.SUCCESS:
                return self._succeed(last, delivery, written)
            case Outcome.FAILED_START | Outcome.KILLED:
                return self._relaunch(last, ending, last.market)
            case Outcome.SPOT:
                return self._relaunch(last, ending, self.launcher.fallback(last))
            case Outcome.MEMORY:
                raise self._out_of_memory(last, ending)
            case _:
                raise failure(self.host, last, ending, delivery)

    def _ending(self, task: Mapping[str, Any] | None, delivery: Delivered) -> Ending:
        if task is not None:
            return classify(task, self.host.job.module, self.host.job.image.digest)
        if isinstance(delivery, Delivery) and delivery.exit_code == 0:
            return Ending(Outcome.SUCCESS, reason="ECS forgot the task; its result says it succeeded", exit_code=0)
        return Ending(Outcome.LOST, reason="DescribeTasks says MISSING")

    def _succeed(self, last: LaunchRecord, delivery: Delivered, written: AuditRecord) -> Finished:
        if isinstance(delivery, BadDelivery):
            raise ResultError(
                Report(
                    what=f"{self.host.job.name} succeeded, but its result cannot be used: {delivery.problem}.",
                    next_step=f"Write one JSON object of at most {MAX_RESULT_BYTES // 1024} KiB with "
                    "datavision_runtime.write_result.",
                    image=self.host.job.image_text,
                    task_arn=last.arn or "",
                )
            )
        if delivery is None:
            self.host.warn(f"The container exited 0 without a result at {last.result_key}; its XCom value is empty")
            return Finished({}, {}, written)
        self._learn(last, delivery)
        cost = "" if written.cost_usd is None else f" for ${written.cost_usd:.4f}"
        self.host.say(
            f"Succeeded in {written.seconds or delivery.wall_seconds:.0f} s{cost}; "
            f"peak memory {delivery.peak_memory_bytes / 2**20:.0f} of {last.memory} MiB"
        )
        return Finished(delivery.xcom(), delivery.result or {}, written)

    def _learn(self, last: LaunchRecord, delivery: Delivery) -> None:
        host = self.host
        before = memory.recall(host.cloud, host.bucket, host.job.key)
        after = learn(before, host.job.declared, last.size, delivery.peak_memory_bytes, delivery.wall_seconds)
        host.attempt("remember the size", lambda: memory.remember(host.cloud, host.bucket, host.job.key, after))

    def _relaunch(self, last: LaunchRecord, ending: Ending, market: Market) -> Step:
        delay = self.launcher.delay_after(last)
        if delay is None:
            raise failure(self.host, last, ending)
        why = ending.reason or ending.stop_code
        self.host.warn(f"{ending.outcome.value}: {why}; launching again in {delay:.1f} s ({market})")
        following = self.launcher.following(last, market)
        if delay > self.host.patience:
            record.write_launch(self.host.store, following)
            return Pausing(delay, why)
        self.host.sleep(delay)
        return self._submit(following)

    def _out_of_memory(self, last: LaunchRecord, ending: Ending) -> FargateError:
        bigger = next_size(last.size, self.host.job.max_memory)
        if bigger:
            record.write_grown(self.host.store, bigger)
            self.host.warn(f"{last.size} was not enough; the next try uses {bigger}")
        return failure(self.host, last, ending, at_ceiling=bigger is None)

    def _stop(self, live: LaunchRecord, reason: StopReason) -> dict[str, Any] | None:
        module = self.host.config.modules.get(self.host.job.module)
        limit = (module.stop_timeout_seconds if module else 30) + STOP_MARGIN_SECONDS
        return self.launcher.stop(live, reason, limit)

    def _audit(
        self, last: LaunchRecord, ending: Ending, task: Mapping[str, Any] | None, delivery: Delivered
    ) -> AuditRecord:
        host = self.host
        written = close(account_launch(host.job, last, host.price), ending, task, delivery)
        host.attempt("write the audit record", lambda: write_audit(host.cloud, host.audit_bucket, written))
        host.attempt("send the launch's span", lambda: send_launch(host.config, last, written, task))
        host.attempt("count the launch", lambda: host.count(written))
        return written

    def _last(self) -> LaunchRecord:
        last = record.read_launch(self.host.store)
        if last is None:
            raise RuntimeError(f"{self.host.job.name} has no launch to settle; clear the task to start it again.")
        return last

    def _delivery(self, last: LaunchRecord) -> Delivered:
        return results.fetch(self.host.cloud, self.host.bucket, last.result_key)
