"""Child processes that end with us: a session and a log file each, and the whole group is stopped."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import psutil

from datavision.errors import UserError
from datavision.exit_codes import FAILURE
from fargate_local.databases.remains import gone, lives

STOP_SECONDS = 20
_PR_SET_PDEATHSIG = 1


class StartError(UserError):
    """A part of the local stack did not start; the text ends with the last lines of its log."""

    exit_code = FAILURE


class Service:
    """A running child process and everything it started."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """Start `command` with `env` as its entire environment; its output goes to the file `log`.

        When it is stopped, it has `stop_seconds` to exit by itself, from when it was first asked.
        """
        self.name = name
        self._stop_seconds = stop_seconds
        self._asked: float | None = None
        self.log = log
        with open_log(log) as output:
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also its group's and session's."""
        return self._process.pid

    def exited(self) -> bool:
        """Return whether it has exited by itself."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> int:
        """Wait for it to exit by itself and return its exit code.

        Raises:
            StartError: It still runs after `seconds`.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StartError(f"{self.name} is still running after {seconds:.0f} s. {self.tail()}") from None

    def wait_until(self, ready: Callable[[], bool], seconds: float, poll_seconds: float = 0.1) -> None:
        """Wait until `ready()`.

        Raises:
            StartError: It ended first, or `seconds` passed.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exited():
                raise StartError(f"{self.name} exited while starting. {self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready after {seconds:.0f} s. {self.tail()}")
            time.sleep(poll_seconds)

    def tail(self) -> str:
        """Return the end of the log for an error message."""
        return last_words(self.log, 8)

    def terminate(self) -> None:
        """Ask it to exit."""
        self._asked = self._asked or time.monotonic()
        with suppress(ProcessLookupError):
            self._process.terminate()

    def stop(self) -> None:
        """Ask it to exit, unless it was asked, wait, and kill what is left of its session."""
        members = session_members(self.pid)
        if self._asked is None:  # asked twice, Airflow's triggerer gives up halfway
            self.terminate()
        try:
            self._process.wait(self._patience())
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        left = [process for process in members if not gone(process, self._patience())]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        for process in left:
            gone(process, 5)

    def _patience(self) -> float:
        return max(0.0, (self._asked or 0.0) + self._stop_seconds - time.monotonic())


class Stoppable(Protocol):
    """What ends within its own patience once it is asked."""

    def terminate(self) -> None:
        """Ask it to exit."""

    def stop(self) -> None:
        """Wait for it to exit, and kill what is left."""


def stop_all(services: Sequence[Stoppable]) -> None:
    """Stop services together: ask all, then wait for each in order."""
    for service in services:
        service.terminate()
    for service in services:
        service.stop()


def session_members(session: int) -> list[psutil.Process]:
    """Return the living processes of a session, and their descendants that opened sessions of their own."""
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if process.pid == session or os.getsid(process.pid) == session:
                members[process.pid] = process
                for child in process.children(recursive=True):
                    members[child.pid] = child
    return [process for process in members.values() if lives(process)]


def open_log(log: Path, *, append: bool = False) -> BinaryIO:
    """Open a service's log to write, new or to go on; it is readable only by the owner, because logs quote data."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    log.parent.chmod(0o700)  # whatever the umask
    kept = os.O_APPEND if append else os.O_TRUNC
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | kept, 0o600), "ab" if append else "wb")


def last_words(log: Path, lines: int) -> str:
    """Return the end of a service's log for an error message."""
    text = log.read_text(encoding="utf-8", errors="replace").rstrip()
    return f"Its log is {log}; the last lines are:\n" + "\n".join(text.splitlines()[-lines:])


def die_with_parent() -> None:
    """Have the kernel end this child when its parent dies, even by `kill -9`; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
