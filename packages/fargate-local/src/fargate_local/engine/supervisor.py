"""The server's side of the warden: starts it, asks it to start containers, learns how they ended."""

import asyncio
import json
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from fargate_local.engine.warden import LINUX, kill, kill_group, marked_processes, start_ticks
from fargate_local.runtimes.base import Exit, Spawn

WARDEN = Path(__file__).with_name("warden.py")


class CannotStartError(Exception):
    """The command could not be executed; `errno` says why."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class Supervisor:
    """Everything here is called in the engine's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started: dict[str, asyncio.Future[tuple[int, int]]] = {}
        self._exited: dict[str, asyncio.Future[Exit]] = {}
        self._incoming = bytearray()
        self._nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise_file_limit()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            # Its own session: a Ctrl-C in the terminal must reach the server first.
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(WARDEN), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        self._channel = ours
        loop.add_reader(ours.fileno(), self._receive)

    async def start(self, ident: str, group: str, spawn: Spawn, outputs: tuple[int, int]) -> tuple[int, int]:
        """Start a container and return its (pid, start time in clock ticks).

        `outputs` are descriptors for its standard output and error.

        Raises:
            CannotStartError: The command could not be executed.
        """
        started = self._started[ident] = self._loop.create_future()
        self._exited[ident] = self._loop.create_future()
        message = {
            "op": "spawn",
            "id": ident,
            "group": group,
            "argv": spawn.argv,
            "env": spawn.environment,
            "cwd": spawn.directory,
            "limit": spawn.limit,
            "group_limit": spawn.group_limit,
            "ulimits": {"nofile": self._nofile, **spawn.ulimits},
            "probe": spawn.probe,
        }
        self._send(message, [*outputs])
        try:
            process: tuple[int, int] = await started
        except CannotStartError:
            del self._exited[ident]
            raise
        return process

    async def exit(self, ident: str) -> Exit:
        """Wait for a started container to end."""
        exited = await asyncio.shield(self._exited[ident])
        self._exited.pop(ident, None)
        return exited

    def signal(self, ident: str, number: signal.Signals) -> None:
        """Send a signal to a container; does nothing if it has ended."""
        self._send({"op": "signal", "id": ident, "signal": int(number)}, [])

    def abandon(self, ident: str) -> None:
        """Kill a container that nobody is waiting for."""
        self.signal(ident, signal.SIGKILL)
        if exited := self._exited.get(ident):
            exited.add_done_callback(lambda _: self._exited.pop(ident, None))

    def close(self) -> None:
        """End every container and the warden, and wait until all of them are gone."""
        self._loop.remove_reader(self._channel.fileno())
        self._channel.shutdown(socket.SHUT_WR)
        self._process.wait()
        self._channel.close()

    def _send(self, message: dict[str, Any], descriptors: list[int]) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self._channel, [data], descriptors) if descriptors else 0
            self._channel.sendall(data[sent:])
        except OSError:
            self._lost()

    def _receive(self) -> None:
        try:
            data = self._channel.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._incoming += data
        while (end := self._incoming.find(b"\n")) >= 0:
            event = json.loads(self._incoming[:end])
            del self._incoming[: end + 1]
            self._handle(event)

    def _handle(self, event: dict[str, Any]) -> None:
        ident = event["id"]
        if event["ev"] == "exited":
            exited = Exit(event["code"], event["oom"])
            if not self._exited[ident].done():
                self._exited[ident].set_result(exited)
            return
        started = self._started.pop(ident)
        if started.done():
            return
        if event["ev"] == "started":
            started.set_result((event["pid"], event["ticks"]))
        else:
            started.set_exception(CannotStartError(event["errno"], event["error"]))

    def _lost(self) -> None:
        """Handle the loss of the warden; the kernel has killed everything it started."""
        self._loop.remove_reader(self._channel.fileno())
        for started in self._started.values():
            if not started.done():
                started.set_exception(CannotStartError(0, "the process warden has exited; restart fargate-local"))
        self._started.clear()
        for exited in self._exited.values():
            if not exited.done():
                exited.set_result(Exit(128 + signal.SIGKILL, False))


def raise_file_limit() -> None:
    """Raise this process's limit on open files as far as the system allows: each container needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def end_orphans(processes: list[tuple[str, int, int]]) -> int:
    """Kill what an earlier server's containers left behind, in case its warden died too; return how many processes.

    A container's first process is identified by its start time, the others by the metadata address in their
    environment.
    """
    recorded = {container for container, _, _ in processes}
    ended = 0
    for _, pid, ticks in processes:
        if ticks and start_ticks(pid) == ticks:
            kill_group(pid)
            ended += 1
    for pid, container in marked_processes() if recorded and LINUX else ():
        if container in recorded:
            kill(pid, signal.SIGKILL)
            ended += 1
    return ended
