"""One Airflow task instance from its first launch to its result, through whatever happens in between.

Free of Airflow: the operator hands in what to run (`Job`) and where to keep state, and carries out the `Step` it gets.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from datavision.config import Config
from datavision.fargate import audit, launch, logs, record, remember, results, tasks, tokens
from datavision.fargate.accounting import account, failed_checks
from datavision.fargate.budget import LaunchBudget
from datavision.fargate.classify import Ending, Outcome, StopReason, Wanted, classify
from datavision.fargate.clients import Cloud, client
from datavision.fargate.errors import LAST_LINES, FargateError, PermanentStartError, Report, ResultError
from datavision.fargate.explain import explain
from datavision.fargate.job import Finished, Job, Pausing, Step, Waiting
from datavision.fargate.launch import Market, Refusal, RefusedError
from datavision.fargate.network import network
from datavision.fargate.record import LaunchRecord, StateStore
from datavision.fargate.sizes import FargateSize, choose, learn, next_size
from datavision.fargate.watch import MISSING_GRACE_SECONDS, Watch

STOP_MARGIN_SECONDS = 60
"""Beyond a container's stop timeout: what ECS needs to report STOPPED."""


Delivered = results.Delivery | results.BadDelivery | None


@dataclass
class Lifecycle:
    """Launches, finds again, and settles the container of one task instance."""

    job: Job
    config: Config
    cloud: Cloud
    store: StateStore
    say: Callable[[str], None]
    warn: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    patience: float = 5.0
    """Seconds a launch may sleep in the worker before it gives the worker back."""
    live: LaunchRecord | None = field(default=None, init=False)

    def begin(self) -> Step:
        """Attach to, accept or replace what an earlier attempt left; launch when there is nothing of use.

        Raises:
            FargateError: it failed for good, as far as this Airflow try goes.
        """
        previous = record.read_launch(self.store)
        if previous is None:
            return self._submit(self._first())
        if previous.generation != self.job.generation:
            self._stop_leftover(previous)
            return self._submit(self._first())
        return self._take_over(previous)

    def settle(self, task: Mapping[str, Any] | None) -> Step:
        """Decide what a stopped (or, None, forgotten) container means.

        Raises:
            FargateError: it failed.
        """
        return self._settle(self._last(), task)

    def time_out(self) -> Step:
        """Stop the container because execution_timeout has passed; a success that came first still counts.

        Raises:
            FargateError: nearly always, a TaskTimeoutError.
        """
        last = self._last()
        return self._settle(last, self._stop(last, StopReason.TIMEOUT))

    def kill(self) -> None:
        """Stop the container and wait until ECS says so; nothing happens when none is live."""
        if self.live and self.live.arn:
            task = self._stop(self.live, StopReason.KILLED)
            if task:
                self._audit(self.live, classify(task, self.job.module, self.job.image.digest), task, None)
            self.live = None

    def last_arn(self) -> str | None:
        """Return the ARN of the last launch, or None before the first."""
        if self.live:
            return self.live.arn
        last = record.read_launch(self.store)
        return last.arn if last else None

    def log_stream(self, arn: str) -> logs.LogStream:
        """Return where the container of task `arn` logs."""
        return logs.LogStream.of(self.config.observability.log_group, self.job.module, arn)

    def _take_over(self, previous: LaunchRecord) -> Step:
        if previous.arn is None:
            if previous.try_number != self.job.try_number:
                self.say(f"Try {previous.try_number} was cut off while launching; looking for what became of it")
            return self._resubmit(previous)
        task = self._described(previous)
        if task is not None and task["lastStatus"] != "STOPPED":
            self.say(f"Attaching to the container of try {previous.try_number}: {previous.arn} ({task['lastStatus']})")
            return self._wait_for(previous)
        if previous.try_number == self.job.try_number or self._succeeded(previous, task):
            return self._settle(previous, task)
        self.say(f"The container of try {previous.try_number} is dead; launching anew")
        self._account_for(previous, task)
        return self._submit(self._first())

    def _resubmit(self, previous: LaunchRecord) -> Step:
        if self.now() - previous.intended_at < record.TOKEN_SECONDS:
            return self._submit(previous)
        if arn := self._find(previous):
            return self._take_over(previous.with_arn(arn, previous.intended_at))
        if self._succeeded(previous, None):
            return self._settle(previous, None)
        return self._submit(self._first())

    def _described(self, previous: LaunchRecord) -> dict[str, Any] | None:
        """Describe a task; one just launched gets the time ECS needs to know of it."""
        arn = str(previous.arn)
        task = tasks.describe(self._ecs(), self.config.ecs.cluster, arn)
        while task is None and self.now() - previous.launched_at < MISSING_GRACE_SECONDS:
            self.sleep(1)
            task = tasks.describe(self._ecs(), self.config.ecs.cluster, arn)
        return task

    def _succeeded(self, previous: LaunchRecord, task: Mapping[str, Any] | None) -> bool:
        if task is not None:
            return classify(task, self.job.module, self.job.image.digest).outcome is Outcome.SUCCESS
        delivery = self._delivery(previous)
        return isinstance(delivery, results.Delivery) and delivery.exit_code == 0

    def _account_for(self, previous: LaunchRecord, task: Mapping[str, Any] | None) -> None:
        """Write the record of a dead container that nobody settled, and learn from it if it lacked memory."""
        ending = self._ending(task, None)
        self._audit(previous, ending, task, None)
        if ending.outcome is Outcome.MEMORY and (bigger := next_size(previous.size, self.job.max_memory)):
            record.write_grown(self.store, bigger)

    def _stop_leftover(self, previous: LaunchRecord) -> None:
        arn = previous.arn or self._find(previous)
        if arn is None:
            return
        self.say(f"This task was cleared; making sure that its earlier container has stopped: {arn}")
        self._stop(previous.with_arn(arn, previous.intended_at), StopReason.REPLACED)

    def _find(self, previous: LaunchRecord) -> str | None:
        family = str(previous.request["taskDefinition"]).partition(":")[0]
        return tasks.find_by_token(self._ecs(), self.config.ecs.cluster, family, previous.token)

    def _first(self) -> LaunchRecord:
        now = self.now()
        memory = remember.recall(self.cloud, self.config.storage.results_bucket, self.job.key)
        choice = choose(self.job.declared, memory, record.read_grown(self.store), self.job.max_memory)
        market: Market = "on-demand" if self.job.capacity == "on-demand" else "spot"
        return self._intend(1, 1, now, now, market, choice.size, choice.why)

    def _next(self, last: LaunchRecord, market: Market) -> LaunchRecord:
        own = last.try_number == self.job.try_number
        started = last.try_started_at if own else self.now()
        budget = last.budget_started_at if own else self.now()
        return self._intend(
            last.launch + 1 if own else 1,
            last.spent + 1 if own else 1,
            started,
            budget,
            market,
            last.size,
            last.why_size,
        )

    def _intend(
        self, number: int, spent: int, started: float, budget: float, market: Market, size: FargateSize, why: str
    ) -> LaunchRecord:
        job, ecs = self.job, self.config.ecs
        token = tokens.client_token(job.key, job.try_number, number, job.image.digest, job.generation)
        result_key = tokens.result_key(job.key, token)
        where = network(self.cloud, ecs)
        environment = {
            **job.environment,
            "DATAVISION_RESULT_URI": f"s3://{self.config.storage.results_bucket}/{result_key}",
            "DATAVISION_RUN_ID": job.key.run_id,
        }
        request = launch.build_request(
            launch.Payload(job.image.task_definition, job.module, job.command, environment, size),
            launch.Placement(ecs.cluster, where.subnet(number), where.security_groups, ecs.platform_version, market),
            tokens.started_by(job.key.env),
            tokens.tags(job.key, job.try_number, number, job.release, token),
        )
        return LaunchRecord(
            token=token,
            generation=job.generation,
            try_number=job.try_number,
            launch=number,
            spent=spent,
            try_started_at=started,
            budget_started_at=budget,
            intended_at=self.now(),
            request=request,
            market=market,
            cpu=size.cpu,
            memory=size.memory,
            why_size=why,
            result_key=result_key,
        )

    def _submit(self, intent: LaunchRecord) -> Step:
        """Launch, again and again within the budget, until ECS has a task; long pauses are given back to Airflow."""
        repeats = 0
        while True:
            record.write_launch(self.store, intent)
            try:
                arn = launch.run_task(self._ecs(), intent.request, intent.token)
            except RefusedError as refused:
                if refused.refusal is Refusal.CONFLICT and (found := self._find(intent)):
                    return self._launched(intent, found)
                repeats += 1
                intent, delay = self._after_refusal(intent, refused, repeats)
                if delay > self.patience:
                    record.write_launch(self.store, intent)
                    return Pausing(delay, str(refused))
                self.sleep(delay)
            else:
                return self._launched(intent, arn)

    def _after_refusal(self, intent: LaunchRecord, refused: RefusedError, repeats: int) -> tuple[LaunchRecord, float]:
        if refused.refusal is Refusal.PERMANENT:
            raise self._never_starts(intent, str(refused)) from None
        again = refused.refusal in (Refusal.THROTTLED, Refusal.UNKNOWN)
        limits = self.config.ecs.launch
        # Throttled and unanswered calls created nothing that counts: only the budget's time limits them.
        attempts = min(repeats, limits.attempts - 1) if again else intent.spent
        delay = LaunchBudget(limits).next_delay(attempts, self.now() - intent.budget_started_at)
        if delay is None:
            raise self._failure(
                intent, Ending(Outcome.FAILED_START, reason=str(refused)), Outcome.FAILED_START, None
            ) from None
        self.warn(f"Launch {intent.launch} was {refused.refusal.value}: {refused}; again in {delay:.1f} s")
        return (intent if again else self._next(intent, self._fallback(intent))), delay

    def _fallback(self, last: LaunchRecord) -> Market:
        return "on-demand" if self.job.capacity == "spot-then-on-demand" else last.market

    def _launched(self, intent: LaunchRecord, arn: str) -> Step:
        launched = intent.with_arn(arn, self.now())
        self.live = launched
        record.write_launch(self.store, launched)
        self.say(
            f"Launched {arn}: {self.job.image_text}, {launched.size} ({launched.why_size}), {launched.market}, "
            f"try {launched.try_number}, launch {launched.launch}"
        )
        return self._wait_for(launched)

    def _wait_for(self, launched: LaunchRecord) -> Waiting:
        self.live = launched
        limits, wait = self.config.ecs.launch, self.config.ecs.wait
        usual = remember.recall(self.cloud, self.config.storage.results_bucket, self.job.key).usual_seconds
        watch = Watch(
            arn=str(launched.arn),
            wanted=Wanted(self.job.module, self.job.image.digest, launched.launched_at + limits.start_deadline_seconds),
            launched_at=launched.launched_at,
            usual_seconds=usual,
            min_interval=wait.min_interval_seconds,
            max_interval=wait.max_interval_seconds,
        )
        return Waiting(launched, watch, self.log_stream(str(launched.arn)), self._time_left(launched))

    def _time_left(self, launched: LaunchRecord) -> float | None:
        if self.job.execution_timeout is None:
            return None
        began = launched.try_started_at if launched.try_number == self.job.try_number else self.now()
        return max(began + self.job.execution_timeout - self.now(), 1.0)

    def _settle(self, last: LaunchRecord, task: Mapping[str, Any] | None) -> Step:
        self.live = None
        delivery = self._delivery(last)
        ending = self._ending(task, delivery)
        written = self._audit(last, ending, task, delivery)
        match ending.outcome:
            case Outcome.SUCCESS:
                return self._succeed(last, ending, delivery, written)
            case Outcome.FAILED_START | Outcome.KILLED:
                return self._relaunch(last, ending, last.market)
            case Outcome.SPOT:
                return self._relaunch(last, ending, self._fallback(last))
            case Outcome.MEMORY:
                raise self._out_of_memory(last, ending)
            case _:
                raise self._failure(last, ending, ending.outcome, delivery)

    def _ending(self, task: Mapping[str, Any] | None, delivery: Delivered) -> Ending:
        if task is not None:
            return classify(task, self.job.module, self.job.image.digest)
        if isinstance(delivery, results.Delivery) and delivery.exit_code == 0:
            return Ending(
                Outcome.SUCCESS, reason="ECS no longer knows the task; its result says it succeeded", exit_code=0
            )
        return Ending(Outcome.LOST, reason="DescribeTasks says MISSING")

    def _succeed(
        self,
        last: LaunchRecord,
        ending: Ending,
        delivery: Delivered,
        written: audit.AuditRecord,
    ) -> Finished:
        if isinstance(delivery, results.BadDelivery):
            raise ResultError(
                Report(
                    what=f"{self.job.name} succeeded, but its result cannot be used: {delivery.problem}.",
                    next_step="Write one JSON object of at most 48 KiB with datavision_runtime.write_result.",
                    image=self.job.image_text,
                    task_arn=last.arn or "",
                )
            )
        if delivery is None:
            self.warn(f"The container exited 0 without a result at {last.result_key}; its XCom value is empty")
            return Finished({}, {}, written)
        self._learn(last, delivery)
        self.say(
            f"Succeeded in {written.seconds:.0f} s for ${written.cost_usd:.4f}; "
            f"peak memory {delivery.peak_memory_bytes / 2**20:.0f} of {last.memory} MiB"
        )
        return Finished(delivery.xcom(), delivery.result or {}, written)

    def _learn(self, last: LaunchRecord, delivery: results.Delivery) -> None:
        bucket = self.config.storage.results_bucket
        before = remember.recall(self.cloud, bucket, self.job.key)
        after = learn(before, self.job.declared, last.size, delivery.peak_memory_bytes, delivery.wall_seconds)
        self._try_to("remember the size", lambda: remember.remember(self.cloud, bucket, self.job.key, after))

    def _relaunch(self, last: LaunchRecord, ending: Ending, market: Market) -> Step:
        own = last.try_number == self.job.try_number
        elapsed = self.now() - last.budget_started_at if own else 0.0
        delay = LaunchBudget(self.config.ecs.launch).next_delay(last.spent if own else 1, elapsed)
        if delay is None:
            raise self._failure(last, ending, ending.outcome, None)
        self.warn(
            f"{ending.outcome.value}: {ending.reason or ending.stop_code}; launching again in {delay:.1f} s ({market})"
        )
        following = self._next(last, market)
        if delay > self.patience:
            record.write_launch(self.store, following)
            return Pausing(delay, ending.reason)
        self.sleep(delay)
        return self._submit(replace(following, intended_at=self.now()))

    def _out_of_memory(self, last: LaunchRecord, ending: Ending) -> FargateError:
        bigger = next_size(last.size, self.job.max_memory)
        if bigger:
            record.write_grown(self.store, bigger)
            self.warn(f"{last.size} were not enough; the next try takes {bigger}")
        return self._failure(last, ending, Outcome.MEMORY, None, at_ceiling=bigger is None)

    def _never_starts(self, intent: LaunchRecord, reason: str) -> PermanentStartError:
        error = self._failure(intent, Ending(Outcome.PERMANENT_START, reason=reason), Outcome.PERMANENT_START, None)
        return PermanentStartError(error.report)

    def _failure(
        self,
        last: LaunchRecord,
        ending: Ending,
        outcome: Outcome,
        delivery: Delivered,
        *,
        at_ceiling: bool = False,
    ) -> FargateError:
        lines = logs.last_lines(self.cloud, self.log_stream(last.arn), LAST_LINES) if last.arn else ()
        return explain(
            outcome,
            ending,
            task=self.job.name,
            env=self.job.key.env,
            image=self.job.image_text,
            size=f"{last.size} ({last.why_size}), {last.market}",
            task_arn=last.arn,
            log_lines=lines,
            checks=failed_checks(delivery),
            at_ceiling=at_ceiling,
        )

    def _ecs(self) -> Any:
        return client(self.cloud, "ecs")

    def _last(self) -> LaunchRecord:
        last = record.read_launch(self.store)
        if last is None:
            raise RuntimeError(f"{self.job.name} has no launch to settle; clear the task to start it again.")
        return last

    def _delivery(self, last: LaunchRecord) -> Delivered:
        return results.fetch(self.cloud, self.config.storage.results_bucket, last.result_key)

    def _stop(self, live: LaunchRecord, reason: StopReason) -> dict[str, Any] | None:
        module = self.config.modules.get(self.job.module)
        limit = (module.stop_timeout_seconds if module else 30) + STOP_MARGIN_SECONDS
        return tasks.stop_and_wait(self._ecs(), self.config.ecs.cluster, str(live.arn), reason, limit, self.sleep)

    def _audit(
        self,
        last: LaunchRecord,
        ending: Ending,
        task: Mapping[str, Any] | None,
        delivery: Delivered,
    ) -> audit.AuditRecord:
        written = account(self.job, last, ending, task or {}, delivery, self.config.ecs.cpu_architecture)
        bucket = self.config.storage.results_bucket
        self._try_to("write the audit record", lambda: audit.write_audit(self.cloud, bucket, written))
        return written

    def _try_to(self, what: str, act: Callable[[], None]) -> None:
        """Do something that the task's outcome must not depend on."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the container's outcome stands
            self.warn(f"Could not {what}: {error}")
