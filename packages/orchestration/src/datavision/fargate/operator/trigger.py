"""Waits for a container in the triggerer, and stops it when a user clears, fails or deletes its task."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from datavision.aws import Cloud, async_client
from datavision.fargate.attempt.accounting import account_launch, close
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.steps import Waiting
from datavision.fargate.edge.ecs_tasks import StopReason, describe_async, stop_async
from datavision.fargate.edge.logs import LogStream
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.classify import Wanted, classify
from datavision.fargate.waiting.log_follower import Follower
from datavision.fargate.waiting.poll_loop import poll_loop
from datavision.fargate.waiting.watch import Watch

STOP_SECONDS = 22.0
"""For ECS to report STOPPED; Airflow allows on_kill 30 s in total."""
STOP_AND_LOG_SECONDS = 26.0
"""For that and for showing the end of the log; the audit record has the rest."""


class FargateTrigger(BaseTrigger):
    """Fires once, with the stopped task (None: ECS forgot it) and how far its log was forwarded.

    All settings are in the arguments: the triggerer reads no configuration.
    """

    def __init__(
        self,
        *,
        cloud: dict[str, Any],
        cluster: str,
        watch: dict[str, Any],
        calls_per_second: float,
        max_backoff: float,
        log: dict[str, Any],
        results_bucket: str,
        position_key: str,
        audit_key: str,
        audit_bucket: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's triggers are not typed
        self.cloud = cloud
        self.cluster = cluster
        self.watch = watch
        self.calls_per_second = calls_per_second
        self.max_backoff = max_backoff
        self.log_settings = log
        self.results_bucket = results_bucket
        self.position_key = position_key
        self.audit_key = audit_key
        # One that an Airflow before this argument deferred goes on after the update; its record is among the results.
        self.audit_bucket = audit_bucket or results_bucket

    @classmethod
    def of(cls, host: Host, step: Waiting) -> "FargateTrigger":
        """Return the trigger that waits for a launch."""
        config = host.config
        return cls(
            cloud=asdict(host.cloud),
            cluster=config.ecs.cluster,
            watch=step.watch.arguments(),
            calls_per_second=config.ecs.wait.calls_per_second,
            max_backoff=config.ecs.wait.backoff_max_seconds,
            log={
                "group": step.stream.group,
                "stream": step.stream.name,
                "pause": config.observability.forward_seconds,
                "save": config.observability.forward_save_seconds,
            },
            results_bucket=host.bucket,
            position_key=step.launch.log_position_key,
            audit_key=account_launch(host.job, step.launch, host.price).object_key,
            audit_bucket=host.audit_bucket,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            "datavision.fargate.operator.trigger.FargateTrigger",
            {
                "cloud": self.cloud,
                "cluster": self.cluster,
                "watch": self.watch,
                "calls_per_second": self.calls_per_second,
                "max_backoff": self.max_backoff,
                "log": self.log_settings,
                "results_bucket": self.results_bucket,
                "position_key": self.position_key,
                "audit_key": self.audit_key,
                "audit_bucket": self.audit_bucket,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the container through the shared poll loop, forwarding its log meanwhile."""
        watch, cloud = Watch.of(self.watch), Cloud(**self.cloud)
        follower = self._follower(cloud, watch)
        following = asyncio.create_task(follower.run())
        try:
            task = await self._ended(cloud, watch)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        yield TriggerEvent({"task": task, "log_position": follower.position})  # type: ignore[no-untyped-call] # as above

    async def on_kill(self) -> None:
        """Stop the container, and wait for ECS to confirm it for as long as Airflow allows."""
        cloud, arn = Cloud(**self.cloud), self.watch["arn"]
        clock = asyncio.get_running_loop().time
        log_until = clock() + STOP_AND_LOG_SECONDS
        self.log.info("Stopping %s: the task was cleared, failed or deleted in Airflow", arn)
        async with asyncio.timeout(STOP_SECONDS):
            task = await self._stop(cloud)
        self.log.info("%s has stopped", arn)
        await self._follower(cloud, Watch.of(self.watch)).finish(log_until - clock())
        if task:
            await self._close_audit(cloud, task)

    def _follower(self, cloud: Cloud, watch: Watch) -> Follower:
        settings = self.log_settings
        return Follower(
            cloud=cloud,
            stream=LogStream(settings["group"], settings["stream"]),
            watch=watch,
            bucket_name=self.results_bucket,
            position_key=self.position_key,
            emit=lambda line: self.log.info("%s", line),
            warn=self.log.warning,
            pause_seconds=settings["pause"],
            save_seconds=settings["save"],
        )

    async def _ended(self, cloud: Cloud, watch: Watch) -> dict[str, Any] | None:
        """Return the task once it is STOPPED, or None when ECS forgot it."""
        return await poll_loop(cloud, self.cluster, self.calls_per_second, self.max_backoff).wait(watch)

    async def _stop(self, cloud: Cloud) -> dict[str, Any] | None:
        """Stop the task and return it once it is STOPPED, or None when ECS forgot it."""
        arn = self.watch["arn"]
        async with async_client(cloud, "ecs") as ecs:
            await stop_async(ecs, self.cluster, arn, StopReason.KILLED)
            while True:
                task = (await describe_async(ecs, self.cluster, [arn])).get(arn)
                if task is None or task["lastStatus"] == "STOPPED":
                    return task
                await asyncio.sleep(1)

    async def _close_audit(self, cloud: Cloud, task: dict[str, Any]) -> None:
        """Complete the audit record that was written at launch: no worker comes back to do it."""
        wanted = Wanted(**self.watch["wanted"])
        async with async_client(cloud, "s3") as s3:
            answer = await s3.get_object(Bucket=self.audit_bucket, Key=self.audit_key)
            record = AuditRecord.model_validate_json(await answer["Body"].read())
            closed = close(record, classify(task, wanted.container, wanted.digest), task)
            body = closed.model_dump_json(indent=1).encode()
            await s3.put_object(Bucket=self.audit_bucket, Key=self.audit_key, Body=body)


class PauseTrigger(BaseTrigger):
    """Fires `seconds` after `since` (Unix seconds), so that a restart does not prolong the pause."""

    def __init__(self, *, since: float, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's triggers are not typed
        self.since = since
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return "datavision.fargate.operator.trigger.PauseTrigger", {"since": self.since, "seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait."""
        await asyncio.sleep(max(self.since + self.seconds - time.time(), 0))
        yield TriggerEvent({})  # type: ignore[no-untyped-call] # as above
