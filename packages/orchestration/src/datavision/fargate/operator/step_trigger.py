"""Waits for a step of a shared container in the triggerer, and stops it when its task is cleared, failed or deleted."""

import asyncio
import contextlib
from typing import Any

from datavision.aws import Cloud, async_client
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.step_launcher import shared_containers
from datavision.fargate.attempt.steps import Waiting
from datavision.fargate.edge.ecs_tasks import StopReason, describe_async
from datavision.fargate.operator.trigger import FargateTrigger
from datavision.fargate.outcome.results import MAX_DELIVERY_BYTES, Delivered, parse
from datavision.fargate.sharing.inbox import Inbox
from datavision.fargate.sharing.step import as_task
from datavision.fargate.waiting.log_follower import log_hub
from datavision.fargate.waiting.watch import Watch

SOONEST_SECONDS = 0.3
LATEST_SECONDS = 3.0
SHARE_OF_AGE = 0.02
"""Between two looks for the report: a fiftieth of the time since the first, so a step of a minute is late by 1.2 s."""


class StepTrigger(FargateTrigger):
    """Fires when the step has reported, or its container has stopped without that."""

    def __init__(self, *, step: dict[str, str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.step = step

    @classmethod
    def of(cls, host: Host, step: Waiting) -> "StepTrigger":
        """Return the trigger that waits for a step."""
        launch = step.launch
        _, arguments = FargateTrigger.of(host, step).serialize()
        inbox = shared_containers(host).prefix(launch.container)
        return cls(step={"token": launch.token, "result_key": launch.result_key, "inbox": inbox}, **arguments)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        _, arguments = super().serialize()
        return "datavision.fargate.operator.step_trigger.StepTrigger", {"step": self.step, **arguments}

    async def _ended(self, cloud: Cloud, watch: Watch) -> dict[str, Any] | None:
        stopped = asyncio.create_task(super()._ended(cloud, watch))
        async with log_hub(cloud).clients() as (_, s3):
            try:
                delivered = await self._report(s3, until=stopped)
            finally:
                stopped.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await stopped
        container = watch.seen or await self._container(cloud)
        return as_task(container, delivered, watch.wanted.container)

    async def _report(self, s3: Any, until: "asyncio.Task[Any]") -> Delivered:
        """Return the report as soon as there is one; without one, None when `until` is done."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            # In this order: a report that came before the container's end is not overlooked.
            last = until.done()
            try:
                return await self._fetch(s3)
            except s3.exceptions.NoSuchKey:
                if last:
                    return None
            except Exception as error:  # noqa: BLE001 - whatever fails, a report that is there must not be overlooked
                self.log.warning("Cannot look for the step's report (%s); looking again", error)
            pause = min(max((clock() - began) * SHARE_OF_AGE, SOONEST_SECONDS), LATEST_SECONDS)
            await asyncio.wait([until], timeout=pause)
            if last:
                await asyncio.sleep(SOONEST_SECONDS)

    async def _fetch(self, s3: Any) -> Delivered:
        key = self.step["result_key"]
        answer = await s3.get_object(Bucket=self.results_bucket, Key=key)
        body = await answer["Body"].read(MAX_DELIVERY_BYTES + 1)
        return parse(body, f"s3://{self.results_bucket}/{key}")

    async def _container(self, cloud: Cloud) -> dict[str, Any] | None:
        arn = self.watch["arn"]
        async with async_client(cloud, "ecs") as ecs:
            return (await describe_async(ecs, self.cluster, [arn])).get(arn)

    async def _stop(self, cloud: Cloud) -> dict[str, Any] | None:
        inbox = Inbox(cloud, self.results_bucket, self.step["inbox"])
        uri = f"s3://{self.results_bucket}/{self.step['result_key']}"
        await asyncio.to_thread(inbox.stop, self.step["token"], uri, StopReason.KILLED.value)
        return await self._ended(cloud, Watch.of(self.watch))
