"""Launches one task instance's container exactly once, within the launch budget; describes it and stops it.

Every launch is stored before RunTask is called, and again with the ARN before anyone waits: whatever is killed in
between, the next attempt sends the same request with the same token and gets the same task.
"""

from dataclasses import dataclass
from typing import Any

from datavision.aws import client
from datavision.fargate import identity
from datavision.fargate.attempt import telemetry
from datavision.fargate.attempt.accounting import account_launch
from datavision.fargate.attempt.failure import failure
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.steps import Pausing
from datavision.fargate.edge import ecs_tasks
from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.launching import record
from datavision.fargate.launching.budget import LaunchBudget
from datavision.fargate.launching.network import network
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.launching.request import (
    Market,
    Payload,
    Placement,
    Refusal,
    RefusedError,
    build_request,
    run_task,
)
from datavision.fargate.outcome.audit import write_audit
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.results import RESULT_URI_VARIABLE
from datavision.fargate.sizing.memory import recall
from datavision.fargate.sizing.sizes import Choice, FargateSize, choose


@dataclass(frozen=True)
class _Count:
    """The position of a launch within its Airflow try."""

    launch: int
    spent: int
    try_started_at: float
    budget_started_at: float


@dataclass(frozen=True)
class Launcher:
    """Plans and submits launches."""

    host: Host

    def first(self) -> LaunchRecord:
        """Plan the first launch of this Airflow try."""
        job, now = self.host.job, self.host.now()
        memory = recall(self.host.cloud, self.host.bucket, job.key)
        choice = choose(job.declared, memory, record.read_grown(self.host.store), job.max_memory)
        market: Market = "on-demand" if job.capacity == "on-demand" else "spot"
        return self._plan(_Count(1, 1, now, now), market, choice, job.command())

    def following(self, last: LaunchRecord, market: Market) -> LaunchRecord:
        """Plan the launch after `last`: same command and size, next subnet, new token."""
        count = _Count(1, 1, self.host.now(), self.host.now())
        if last.try_number == self.host.job.try_number:
            count = _Count(last.launch + 1, last.spent + 1, last.try_started_at, last.budget_started_at)
        return self._plan(count, market, Choice(last.size, last.why_size), last.command)

    def fallback(self, last: LaunchRecord) -> Market:
        """Return the market after `last` was refused or interrupted."""
        return "on-demand" if self.host.job.capacity == "spot-then-on-demand" else last.market

    def delay_after(self, last: LaunchRecord) -> float | None:
        """Return the seconds until a container that did not finish is launched again; None: the budget is spent."""
        budget = LaunchBudget(self.host.config.ecs.launch)
        if last.try_number != self.host.job.try_number:
            return budget.next_delay(1, 0.0)
        return budget.next_delay(last.spent, self.host.now() - last.budget_started_at)

    def resubmit(self, previous: LaunchRecord) -> LaunchRecord | Pausing | None:
        """Launch what an earlier attempt may have launched; None: its token is too old, and no task carries it.

        Raises:
            FargateError: It can never start, or the budget is spent.
        """
        if self.host.now() - previous.intended_at < record.TOKEN_SECONDS:
            return self.submit(previous)
        return self.find(previous)

    def submit(self, intent: LaunchRecord) -> LaunchRecord | Pausing:
        """Launch, retrying within the budget, until ECS has a task; a long pause is returned to the caller.

        Raises:
            FargateError: It can never start, or the budget is spent.
        """
        repeats = 0
        while True:
            record.write_launch(self.host.store, intent)
            try:
                return self._launched(self.obtain(intent))
            except RefusedError as refused:
                if refused.refusal is Refusal.CONFLICT and (found := self.find(intent)):
                    return self._launched(found)
                repeats += 1
                intent, delay = self._after_refusal(intent, refused, repeats)
                if delay > self.host.patience:
                    record.write_launch(self.host.store, intent)
                    return Pausing(delay, str(refused))
            self.host.sleep(delay)

    def has_ended(self, launched: LaunchRecord) -> bool:
        """Return whether the task has stopped."""
        task = self.describe(launched)
        return task is not None and task["lastStatus"] == "STOPPED"

    def obtain(self, intent: LaunchRecord) -> LaunchRecord:
        """Have ECS run the launch.

        Raises:
            RefusedError: It does not, or gave no answer.
        """
        return intent.with_arn(run_task(self._ecs(), intent.request, intent.token), self.host.now())

    def find(self, previous: LaunchRecord) -> LaunchRecord | None:
        """Return the launch with the task that carries its token, or None when there is none."""
        family = str(previous.request["taskDefinition"]).partition(":")[0]
        arn = ecs_tasks.find_by_token(self._ecs(), self._cluster, family, previous.token)
        return previous.with_arn(arn, self.host.now()) if arn else None

    def describe(self, launched: LaunchRecord) -> dict[str, Any] | None:
        """Return its task, condensed, or None when ECS says MISSING."""
        return ecs_tasks.describe(self._ecs(), self._cluster, str(launched.arn))

    def stop(self, launched: LaunchRecord, reason: StopReason, limit_seconds: float) -> dict[str, Any] | None:
        """Stop it, and return its task once it is STOPPED, or as it is after `limit_seconds`; None: ECS forgot it."""
        return ecs_tasks.stop_and_wait(
            self._ecs(), self._cluster, str(launched.arn), reason, limit_seconds, self.host.sleep
        )

    def _after_refusal(self, intent: LaunchRecord, refused: RefusedError, repeats: int) -> tuple[LaunchRecord, float]:
        if refused.refusal is Refusal.PERMANENT:
            ending = Ending(Outcome.PERMANENT_START, reason=str(refused))
            raise failure(self.host, intent, ending) from None
        again = refused.refusal in (Refusal.THROTTLED, Refusal.UNKNOWN)
        limits = self.host.config.ecs.launch
        # Throttled and unanswered calls do not count as launches: only the budget's time limits them.
        attempts = min(repeats, limits.attempts - 1) if again else intent.spent
        delay = LaunchBudget(limits).next_delay(attempts, self.host.now() - intent.budget_started_at)
        if delay is None:
            ending = Ending(Outcome.FAILED_START, reason=str(refused))
            raise failure(self.host, intent, ending) from None
        self.host.warn(f"Launch {intent.launch} was {refused.refusal.value}: {refused}; retrying in {delay:.1f} s")
        return (intent if again else self.following(intent, self.fallback(intent))), delay

    def _launched(self, launched: LaunchRecord) -> LaunchRecord:
        record.write_launch(self.host.store, launched)
        what = f"{self.host.job.image_text}, {launched.size} ({launched.why_size}), {launched.market}"
        done = f"Handed to shared container {launched.container}," if launched.step else "Launched"
        self.host.say(f"{done} {launched.arn}: {what}, try {launched.try_number}, launch {launched.launch}")
        host, started = self.host, account_launch(self.host.job, launched, self.host.price)
        host.attempt("write the audit record", lambda: write_audit(host.cloud, host.audit_bucket, started))
        return launched

    def _plan(self, count: _Count, market: Market, choice: Choice, command: tuple[str, ...]) -> LaunchRecord:
        job, ecs = self.host.job, self.host.config.ecs
        token = identity.client_token(job.key, job.try_number, count.launch, job.image.digest, job.generation)
        result_key = identity.result_key(job.key, token)
        where = network(self.host.cloud, ecs)
        environment = {
            **job.environment,
            RESULT_URI_VARIABLE: f"s3://{self.host.bucket}/{result_key}",
            **identity.variables(job.key),
            **telemetry.variables(self.host.config, job, token),
        }
        size: FargateSize = choice.size
        request = build_request(
            Payload(job.image.task_definition, job.module, command, environment, size),
            Placement(ecs.cluster, where.subnet(count.launch), where.security_groups, ecs.platform_version, market),
            identity.started_by(job.key.env),
            identity.tags(job.key, job.try_number, count.launch, job.release, token),
        )
        return LaunchRecord(
            token=token,
            generation=job.generation,
            try_number=job.try_number,
            launch=count.launch,
            spent=count.spent,
            try_started_at=count.try_started_at,
            budget_started_at=count.budget_started_at,
            intended_at=self.host.now(),
            request=request,
            market=market,
            cpu=size.cpu,
            memory=size.memory,
            why_size=choice.why,
            result_key=result_key,
            traceparent=job.origin.traceparent,
        )

    def _ecs(self) -> Any:
        return client(self.host.cloud, "ecs")

    @property
    def _cluster(self) -> str:
        return self.host.config.ecs.cluster
