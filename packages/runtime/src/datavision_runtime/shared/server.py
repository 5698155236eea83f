"""Serves steps until the last is done, nothing has come for a while, or the container is stopped."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from datavision_runtime import exit_codes
from datavision_runtime.deliver import DeliveryError
from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.report import Report, timestamp
from datavision_runtime.shared.inbox import Inbox
from datavision_runtime.shared.log_stream import LogStream
from datavision_runtime.shared.messages import Serving, Start, Stop
from datavision_runtime.shared.metadata import billed_since
from datavision_runtime.shared.share import Shares
from datavision_runtime.shared.step import OUT_OF_MEMORY, Step
from datavision_runtime.usage import TreeUsage

TICK_SECONDS = 0.1
POLL_SECONDS = 0.4
"""Between two looks into the inbox: 9,000 GETs an hour, 0.36 cents (Amazon S3 pricing page, November 2026)."""
SAMPLE_SECONDS = 0.25
UNREACHABLE_SECONDS = 600.0
"""As long without an answer from S3, and it gives up: nobody could learn what it does."""
MEMORY_SHARE = 0.93
"""Of the task's memory: when all steps together use more, the largest ends before the kernel ends the container."""
STOPPED = 128 + signal.SIGTERM
CONCLUSIONS_AT_ONCE = 8
"""Steps whose last lines and reports are on their way at the same time."""


class Server:
    """One shared container's life."""

    def __init__(self, serving: Serving, process: ProcessEnvironment, folder: Path, say: Callable[[str], None]) -> None:
        """Open the inbox.

        Raises:
            DeliveryError: Its URI is malformed.
        """
        self._serving = serving
        self._process = process
        self._folder = folder
        self._say = say
        self._inbox = Inbox(serving.uri)
        self._context = multiprocessing.get_context("forkserver")
        self._tree = TreeUsage(psutil.Process(), forked=True)
        self._steps: dict[str, Step] = {}
        self._seen: set[str] = set()
        self._succeeded: set[str] = set()
        self._conclusions: list[Future[None]] = []
        self._shares = Shares(billed_since(process.metadata_uri))
        self._idle_since = self._answered_at = time.monotonic()
        self._closed = False
        self._failed = False
        self._stopping = False

    def serve(self) -> int:
        """Serve to the end, and return the exit code."""
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._context.set_forkserver_preload(["datavision_runtime.shared.preloaded"])
            forkserver.ensure_running()
            with ThreadPoolExecutor(CONCLUSIONS_AT_ONCE) as self._executor:
                self._loop()
        finally:
            for step in self._steps.values():
                step.kill("the container ends")
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._failed:
            return exit_codes.FAILURE
        return STOPPED if self._stopping else exit_codes.SUCCESS

    def _loop(self) -> None:
        poll_at = sample_at = 0.0
        while not self._finished():
            now = time.monotonic()
            if now >= poll_at:
                self._poll()
                poll_at = now + POLL_SECONDS
            if now >= sample_at:
                self._watch_memory()
                sample_at = now + SAMPLE_SECONDS
            for step in list(self._steps.values()):
                step.press()
                if not step.running:
                    self._settle(step)
            self._close_if_idle()
            reap_orphans()
            if not wait([step.sentinel for step in self._steps.values()], TICK_SECONDS):
                time.sleep(0 if self._steps else TICK_SECONDS)

    def _finished(self) -> bool:
        if self._failed or time.monotonic() - self._answered_at > UNREACHABLE_SECONDS:
            self._failed = True
            return True
        busy = self._steps or not all(conclusion.done() for conclusion in self._conclusions)
        return not busy and (self._closed or self._stopping)

    def _poll(self) -> None:
        """Take all messages that have come; errors of S3 only cost time."""
        try:
            while message := self._inbox.next():
                self._closed = self._closed or message.closed
                if isinstance(message.body, Start):
                    self._start(message.body)
                elif isinstance(message.body, Stop):
                    self._stop(message.body)
            self._answered_at = time.monotonic()
        except (ClientError, BotoCoreError, OSError) as error:
            self._say(f"cannot read the inbox: {error}")
        except ValueError as error:
            self._say(f"{error}. The image and the orchestration are of releases that do not fit together.")
            self._failed = True

    def _start(self, asked: Start) -> None:
        if asked.token in self._seen or self._stopping:
            return
        self._seen.add(asked.token)
        self._say(f"{asked.name} starts; its log is {asked.log_stream}")
        log = LogStream(asked.log_group, asked.log_stream, lambda line: self._say(f"[{asked.name}] {line}"))
        try:
            step = Step(asked, self._process, self._context, self._folder / asked.token, log)
        except (OSError, EOFError, psutil.Error) as error:
            self._say(f"cannot make a process for {asked.name}: {error}")
            self._failed = True
            return
        self._shares.start(asked.token, time.monotonic())
        self._steps[asked.token] = step

    def _stop(self, asked: Stop) -> None:
        if step := self._steps.get(asked.token):
            self._say(f"{step.asked.name} is stopped: {asked.reason}")
            step.stop(asked.reason)
        elif asked.token not in self._seen:
            self._seen.add(asked.token)
            now = timestamp()
            self._deliver(Report(None, STOPPED, 0.0, 0.0, 0, 0, now, now, 0.0, asked.reason), asked.result_uri)

    def _settle(self, step: Step) -> None:
        del self._steps[step.asked.token]
        self._idle_since = time.monotonic()
        succeeded = step.exit_code == exit_codes.SUCCESS
        if succeeded:
            self._succeeded.add(step.asked.name)
        ends_after = self._serving.ends_after
        last = bool(ends_after) and self._succeeded.issuperset(ends_after) and not self._steps
        share = self._shares.end(step.asked.token, self._idle_since, last=last)
        self._conclusions.append(self._executor.submit(self._conclude, step, share))
        if last:
            self._close("all steps are done")

    def _conclude(self, step: Step, share: float) -> None:
        report = step.finish(share)
        self._say(
            f"{step.asked.name} ended with {report.exit_code} in {report.wall_seconds:.1f} s; "
            f"peak memory {report.peak_memory_bytes / 2**20:.0f} MiB"
        )
        # One that failed because the container is stopped says nothing: ECS knows why that happened.
        if report.exit_code == exit_codes.SUCCESS or not self._stopping:
            self._deliver(report, step.asked.result_uri)

    def _deliver(self, report: Report, uri: str) -> None:
        try:
            report.deliver(uri)
        except DeliveryError as error:
            # Whoever waits learns of it from the container's end.
            self._say(str(error))
            self._failed = True

    def _watch_memory(self) -> None:
        if not self._steps:
            return
        used = {token: step.sample() for token, step in self._steps.items()}
        if self._tree.sample() > self._serving.memory_mib * 2**20 * MEMORY_SHARE:
            largest = self._steps[max(used, key=lambda token: used[token])]
            self._say(f"{largest.asked.name} is ended: out of memory")
            largest.kill(f"{OUT_OF_MEMORY}: the steps together used the task's {self._serving.memory_mib} MiB")

    def _close_if_idle(self) -> None:
        if self._steps or self._closed or self._stopping:
            return
        if time.monotonic() - self._idle_since > self._serving.idle_seconds:
            self._close(f"nothing to do for {self._serving.idle_seconds:.0f} s")

    def _close(self, why: str) -> None:
        """Refuse further steps, unless one came first: the next look into the inbox finds it."""
        with suppress(ClientError, BotoCoreError, OSError):
            if self._inbox.close(why):
                self._closed = True
                self._say(f"closing: {why}")

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._stopping = True
        for step in list(self._steps.values()):
            step.stop(signal.Signals(number).name)


def reap_orphans() -> None:
    """Collect what ended after its parent: PID 1 inherits it."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
