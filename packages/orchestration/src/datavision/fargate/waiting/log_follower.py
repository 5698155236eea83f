"""Forwards a container's log to the Airflow log from the triggerer, and keeps its place across restarts.

Best effort: all streams share one rate limiter; each kind of failure is reported once and retried later, or skipped.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from aiolimiter import AsyncLimiter

from datavision.aws import Cloud, async_client
from datavision.fargate.edge.logs import LogStream, lines_of
from datavision.fargate.waiting.watch import Watch

CALLS_PER_SECOND = 10.0
"""GetLogEvents allows 25/s per account and region (CloudWatch Logs quotas, November 2026)."""


@dataclass
class LogHub:
    """What all followers of one cloud share: a rate limiter, and clients that stay open while anyone follows."""

    cloud: Cloud
    limiter: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(CALLS_PER_SECOND, 1))
    _users: int = field(default=0, init=False)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack, init=False)
    _clients: "asyncio.Future[tuple[Any, Any]] | None" = field(default=None, init=False)

    @contextlib.asynccontextmanager
    async def clients(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield the logs client and the S3 client."""
        self._users += 1
        if self._clients is None:
            self._clients = asyncio.ensure_future(self._open(self._stack))
        try:
            yield await asyncio.shield(self._clients)
        finally:
            self._users -= 1
            if self._users == 0:
                await self._close()

    async def _close(self) -> None:
        # Both are replaced before anything is awaited: a follower that comes meanwhile opens new clients.
        clients, self._clients = self._clients, None
        stack, self._stack = self._stack, contextlib.AsyncExitStack()
        if clients is not None:
            clients.cancel()
            await asyncio.gather(clients, return_exceptions=True)
        await stack.aclose()

    async def _open(self, stack: contextlib.AsyncExitStack) -> tuple[Any, Any]:
        logs = await stack.enter_async_context(async_client(self.cloud, "logs"))
        return logs, await stack.enter_async_context(async_client(self.cloud, "s3"))


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Cloud, LogHub]]" = WeakKeyDictionary()


def log_hub(cloud: Cloud) -> LogHub:
    """Return this event loop's hub for a cloud."""
    return _hubs.setdefault(asyncio.get_running_loop(), {}).setdefault(cloud, LogHub(cloud))


@dataclass
class Follower:
    """Forwards one log stream; `position` says how far it got."""

    cloud: Cloud
    stream: LogStream
    watch: Watch
    bucket_name: str
    position_key: str
    emit: Callable[[str], None]
    warn: Callable[[str], None]
    pause_seconds: float
    save_seconds: float
    position: str | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Forward until cancelled."""
        with self._best_effort("follow the container's log"):
            async with log_hub(self.cloud).clients() as (logs, s3):
                await self._load(s3)
                try:
                    await self._follow(s3, logs)
                finally:
                    await self._save(s3)

    async def finish(self, seconds: float) -> None:
        """Forward what is left, from where the last follower stopped, for at most `seconds`."""
        with self._best_effort("read the end of the container's log"):
            async with asyncio.timeout(seconds), log_hub(self.cloud).clients() as (logs, s3):
                await self._load(s3)
                while await self._read(logs):
                    pass

    async def _follow(self, s3: Any, logs: Any) -> None:
        saved_at = asyncio.get_running_loop().time()
        while True:
            if not self.watch.running:
                await asyncio.sleep(self.pause_seconds / 4)
                continue
            await log_hub(self.cloud).limiter.acquire()
            if not await self._read(logs):
                await asyncio.sleep(self.pause_seconds)
            now = asyncio.get_running_loop().time()
            if now - saved_at > self.save_seconds:
                saved_at = now
                await self._save(s3)

    async def _read(self, logs: Any) -> bool:
        """Forward one page; return whether there was anything."""
        page: dict[str, Any] = {}
        with (
            self._best_effort("read the container's log"),
            contextlib.suppress(logs.exceptions.ResourceNotFoundException),
        ):
            # A stream is created with its first line.
            page = await logs.get_log_events(**self.stream.page(self.position))
        lines = lines_of(page)
        for line in lines:
            self.emit(line)
        self.position = page.get("nextForwardToken") or self.position
        return bool(lines)

    async def _load(self, s3: Any) -> None:
        with self._best_effort("read how far the log was forwarded"), contextlib.suppress(s3.exceptions.NoSuchKey):
            answer = await s3.get_object(Bucket=self.bucket_name, Key=self.position_key)
            self.position = json.loads(await answer["Body"].read())["position"]

    async def _save(self, s3: Any) -> None:
        if self.position is None:
            return
        with self._best_effort("save how far the log was forwarded"):
            body = json.dumps({"position": self.position}).encode()
            await s3.put_object(Bucket=self.bucket_name, Key=self.position_key, Body=body)

    @contextlib.contextmanager
    def _best_effort(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a problem with logs neither fails nor delays the task
            if what not in self._told:
                self._told.add(what)
                self.warn(f"Could not {what} ({error}); the task continues, and CloudWatch has the complete log")
