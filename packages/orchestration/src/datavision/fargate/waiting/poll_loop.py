"""The shared poll loop: one per (connection, region, cluster) in the triggerer.

However many tasks wait, one loop asks DescribeTasks for up to 100 of them per call, each when it is due, fills up a
call with those that are due next, and never exceeds its rate limit.
"""

import asyncio
import contextlib
import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from aiolimiter import AsyncLimiter

from datavision.aws import Cloud, async_client
from datavision.fargate.edge.ecs_tasks import DESCRIBE_LIMIT, describe_async, stop_async
from datavision.fargate.waiting.watch import Look, Verdict, Watch

log = logging.getLogger(__name__)

BURST = 5.0
"""Burst of calls; far below the API's 100, so that several triggerers fit."""
GATHER_SECONDS = 0.1
GATHER_SECONDS_OF_MANY = 0.5
"""Tasks due within this time share a call; longer if one call cannot hold all, or calls would go out half empty."""
CALLS_AT_ONCE = 4
"""Concurrent calls, so that polling many tasks does not take the sum of their latencies."""


@dataclass(eq=False)
class _Waiting:
    watch: Watch
    answer: "asyncio.Future[dict[str, Any] | None]"
    due: float


@dataclass
class PollLoop:
    """Polls all tasks of one cluster on behalf of everyone who waits for one."""

    cloud: Cloud
    cluster: str
    limiter: AsyncLimiter
    max_backoff: float
    """Seconds between two calls that fail, at most."""
    calls: int = field(default=0, init=False)
    _waiting: list[_Waiting] = field(default_factory=list, init=False)
    """Several may wait for one task: the steps of a shared container."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _loop: "asyncio.Task[None] | None" = field(default=None, init=False)

    async def wait(self, watch: Watch) -> dict[str, Any] | None:
        """Return the condensed task once it has stopped, or None when ECS forgot it."""
        loop = asyncio.get_running_loop()
        entry = _Waiting(watch, loop.create_future(), loop.time())
        self._waiting.append(entry)
        self._changed.set()
        if self._loop is None or self._loop.done():
            self._loop = loop.create_task(self._run(), name=f"ecs-poll-{self.cluster}")
        try:
            return await entry.answer
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
            self._changed.set()

    async def _run(self) -> None:
        """Poll until nobody waits; errors and expired credentials only cost time.

        Raises:
            CancelledError: The loop is being shut down.
        """
        failures = 0
        while self._waiting:
            try:
                async with async_client(self.cloud, "ecs") as ecs:
                    while self._waiting:
                        if await self._turn(ecs):
                            failures = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever fails, those who wait must keep waiting
                failures += 1
                pause = min(2.0**failures, self.max_backoff)
                log.warning("DescribeTasks in %s failed (%s); asking again in %.0f s", self.cluster, error, pause)
                await asyncio.sleep(pause)

    async def _turn(self, ecs: Any) -> bool:
        """Poll the tasks that are due, or sleep until one is; return whether a call was made."""
        loop = asyncio.get_running_loop()
        self._changed.clear()
        first_due = min(entry.due for entry in self._waiting)
        if (pause := first_due - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)
            return False
        await asyncio.sleep(GATHER_SECONDS if len(self._waiting) <= DESCRIBE_LIMIT else GATHER_SECONDS_OF_MANY)
        calls = [self._ask(ecs, batch) for batch in self._batches(loop.time())]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return bool(outcomes)

    def _batches(self, now: float) -> list[list[_Waiting]]:
        """Return the tasks to poll, in full calls if there are enough: spare places go to those that are due next."""
        entries = sorted(self._waiting, key=lambda entry: entry.due)
        due = sum(entry.due <= now for entry in entries)
        count = min(math.ceil(due / DESCRIBE_LIMIT), CALLS_AT_ONCE)
        return [entries[start * DESCRIBE_LIMIT :][:DESCRIBE_LIMIT] for start in range(count)]

    async def _ask(self, ecs: Any, batch: list[_Waiting]) -> None:
        await self.limiter.acquire()
        self.calls += 1
        found = await describe_async(ecs, self.cluster, list({entry.watch.arn: None for entry in batch}))
        for entry in batch:
            await self._tell(ecs, entry, found.get(entry.watch.arn))

    async def _tell(self, ecs: Any, entry: _Waiting, task: dict[str, Any] | None) -> None:
        look: Look = entry.watch.see(task, time.time())
        entry.due = asyncio.get_running_loop().time() + look.next_in
        if look.verdict in (Verdict.STOPPED, Verdict.MISSING):
            if entry in self._waiting:
                self._waiting.remove(entry)
            if not entry.answer.done():
                entry.answer.set_result(task)
        elif look.verdict is Verdict.STOP and look.reason:
            await stop_async(ecs, self.cluster, entry.watch.arn, look.reason)


_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Cloud, str], PollLoop]]" = WeakKeyDictionary()


def poll_loop(cloud: Cloud, cluster: str, calls_per_second: float, max_backoff: float) -> PollLoop:
    """Return this event loop's poll loop for a cluster."""
    loops = _loops.setdefault(asyncio.get_running_loop(), {})
    if (cloud, cluster) not in loops:
        limiter = AsyncLimiter(BURST, BURST / calls_per_second)
        loops[cloud, cluster] = PollLoop(cloud, cluster, limiter, max_backoff)
    return loops[cloud, cluster]
