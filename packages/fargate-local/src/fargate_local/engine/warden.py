"""The warden: a small process that starts, watches and kills the processes of tasks.

It is a separate process for three reasons: forking it is cheap (it holds a few megabytes and one thread), it adopts
what tasks leave behind (it is the subreaper of all of them), and it outlives the server just long enough to kill
everything when the server dies. It is started by file name and imports only the standard library.

Protocol: one JSON object per line over a Unix socket. From the server: `spawn` (with two descriptors, the
container's standard output and error) and `signal`. To the server: `started`, `failed` and `exited`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
CONTAINER_MARK = "ECS_CONTAINER_METADATA_URI_V4"
MARKED = f"{CONTAINER_MARK}=".encode()
REMEMBERED = 1000
"""Containers that have ended, whose leftovers may still become our children."""


class Container:
    """One process group that the warden watches until it ends."""

    __slots__ = ("group", "group_limit", "ident", "limit", "mark", "oom", "pid")

    def __init__(self, message: dict[str, Any], pid: int) -> None:
        self.ident: str = message["id"]
        self.group: str = message["group"]
        self.limit: int | None = message.get("limit")
        self.group_limit: int | None = message.get("group_limit")
        # A health check has its container's environment, whose other processes are none of its leftovers.
        mark = f"{CONTAINER_MARK}={message['env'].get(CONTAINER_MARK, '')}".encode()
        self.mark = None if message.get("probe") else mark
        self.pid = pid
        self.oom = False

    def exceeded(self, peak: int) -> bool:
        """Return whether one process that had `peak` bytes resident was too large by itself, for itself or its task."""
        return any(limit and peak > limit for limit in (self.limit, self.group_limit))


class Warden:
    """Runs until the server's end of the socket closes, then kills and reaps everything it started."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.incoming = bytearray()
        self.descriptors: deque[int] = deque()
        self.outgoing = bytearray()
        self.containers: dict[int, Container] = {}
        self.by_ident: dict[str, Container] = {}
        self.ended: deque[int] = deque(maxlen=REMEMBERED)
        self.selector = selectors.DefaultSelector()
        self.next_sample = 0.0
        self.libc = ctypes.CDLL(None, use_errno=True) if LINUX else None

    def run(self) -> None:
        """Serve until the server is gone."""
        if self.libc is not None:
            self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        self.channel.setblocking(False)
        self.selector.register(self.channel, selectors.EVENT_READ)
        self.selector.register(wake_read, selectors.EVENT_READ)
        try:
            while self.step(wake_read):
                pass
        finally:
            self.end_all()

    def step(self, wake_read: int) -> bool:
        """Handle what is due; return False when the server is gone."""
        timeout = max(0.0, self.next_sample - time.monotonic()) if self.containers and LINUX else None
        alive = True
        for key, events in self.selector.select(timeout):
            if key.fileobj is self.channel:
                if events & selectors.EVENT_READ:
                    alive = self.receive()
                if events & selectors.EVENT_WRITE:
                    alive = self.flush() and alive
            else:
                drain(wake_read)
        self.reap()
        if self.containers and LINUX and time.monotonic() >= self.next_sample:
            self.watch_memory()
        return alive

    def receive(self) -> bool:
        """Read and handle messages; return False when the server is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.channel, 1 << 20, 64)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.descriptors.extend(descriptors)
        if not data:
            return False
        self.incoming += data
        while (end := self.incoming.find(b"\n")) >= 0:
            message = json.loads(self.incoming[:end])
            del self.incoming[: end + 1]
            if message["op"] == "spawn":
                self.spawn(message)
            else:
                self.send_signal(message)
        return True

    def send(self, **event: Any) -> None:
        """Queue a message to the server."""
        self.outgoing += json.dumps(event).encode() + b"\n"
        self.flush()

    def flush(self) -> bool:
        """Send what is queued, as far as the server takes it; return False when the server is gone."""
        try:
            while self.outgoing:
                del self.outgoing[: self.channel.send(self.outgoing)]
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outgoing else 0)
        self.selector.modify(self.channel, wanted)
        return True

    def spawn(self, message: dict[str, Any]) -> None:
        """Start a container."""
        outputs = self.descriptors.popleft(), self.descriptors.popleft()
        failure_read, failure_write = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            for descriptor in (*outputs, failure_read, failure_write):
                os.close(descriptor)
            self.send(ev="failed", id=message["id"], errno=error.errno, error=error.strerror)
            return
        if pid == 0:
            self.become(message, outputs, failure_write)
        for descriptor in (*outputs, failure_write):
            os.close(descriptor)
        failure = read_all(failure_read)
        os.close(failure_read)
        if failure:
            os.waitpid(pid, 0)
            code = int(failure)
            self.send(ev="failed", id=message["id"], errno=code, error=os.strerror(code))
            return
        container = Container(message, pid)
        self.containers[pid] = self.by_ident[container.ident] = container
        self.send(ev="started", id=container.ident, pid=pid, ticks=start_ticks(pid))

    def become(self, message: dict[str, Any], outputs: tuple[int, int], failure: int) -> NoReturn:
        """Turn the forked child into the command."""
        parent = os.getppid()
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            if self.libc is not None:
                self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() != parent:
                    os._exit(137)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (outputs[0], 1), (outputs[1], 2)):
                os.dup2(source, target)
            for name, (soft, hard) in message["ulimits"].items():
                limit_resource(name, soft, hard)
            os.chdir(message["cwd"])
            os.execvpe(message["argv"][0], message["argv"], message["env"])  # noqa: S606 - the task's own command
        except OSError as error:
            os.write(failure, str(error.errno or errno.EIO).encode())
        finally:
            os._exit(127)

    def send_signal(self, message: dict[str, Any]) -> None:
        """Signal a container."""
        container = self.by_ident.get(message["id"])
        if container is None:
            return
        # SIGTERM goes to the container's first process only, as Docker does; SIGKILL ends all of it.
        number = signal.Signals(message["signal"])
        if number == signal.SIGKILL:
            kill_group(container.pid)
        else:
            kill(container.pid, number)

    def reap(self) -> None:
        """Collect every process that has ended, and report the containers among them."""
        orphaned = False
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            container = self.containers.pop(pid, None)
            if container is None:
                orphaned = True
                continue
            del self.by_ident[container.ident]
            kill_group(pid)
            self.ended.append(pid)
            self.end_leftovers(container)
            if LINUX and not container.oom and container.exceeded(used.ru_maxrss * 1024):
                # It grew and ended between two looks.
                container.oom, status = True, signal.SIGKILL
            self.send(ev="exited", id=container.ident, code=exit_code(status), oom=container.oom)

        if orphaned:
            self.end_late_leftovers()

    def end_leftovers(self, container: Container) -> None:
        """Kill what a finished container left running, as far as the kernel has made it our child by now."""
        for pid in adopted_children(self.containers):
            if session_of(pid) == container.pid or container.mark in environment_of(pid):
                kill_group(pid)
                kill(pid, signal.SIGKILL)

    def end_late_leftovers(self) -> None:
        """Kill what became our child after its container had ended, because its parent took longer to."""
        live = {container.mark for container in self.containers.values()}
        for pid in adopted_children(self.containers):
            if session_of(pid) in self.containers:
                continue
            marks = {variable for variable in environment_of(pid) if variable.startswith(MARKED)}
            if session_of(pid) in self.ended or (marks and live.isdisjoint(marks)):
                kill_group(pid)
                kill(pid, signal.SIGKILL)

    def end_all(self) -> None:
        """Kill and reap everything."""
        for pid in list(self.containers):
            kill_group(pid)
        while True:
            for pid in adopted_children(()):
                kill_group(pid)
                kill(pid, signal.SIGKILL)
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.005)
            except ChildProcessError:
                return

    def watch_memory(self) -> None:
        """Kill a container above its limit, or the largest one of a task above its limit.

        Resident memory is cheap to read but counts shared pages once per process, so it only raises suspicion; the
        proportional set size decides.
        """
        began = time.monotonic()
        processes: dict[int, list[int]] = {pid: [] for pid in self.containers}
        resident: dict[int, int] = dict.fromkeys(self.containers, 0)
        for pid, session, pages in process_table():
            if session in processes:
                processes[session].append(pid)
                resident[session] += pages * PAGE
        groups: dict[str, list[Container]] = {}
        for container in self.containers.values():
            groups.setdefault(container.group, []).append(container)
        for group in groups.values():
            self.enforce(group, processes, resident)
        spent = time.monotonic() - began
        self.next_sample = time.monotonic() + max(0.05, 20 * spent)

    def enforce(self, group: list[Container], processes: dict[int, list[int]], resident: dict[int, int]) -> None:
        """Enforce the limits of one task and its containers."""
        for container in group:
            if container.limit and resident[container.pid] > container.limit:
                resident[container.pid] = sum(map(proportional_memory, processes[container.pid]))
                if resident[container.pid] > container.limit:
                    self.end_for_memory(container)
        limit = group[0].group_limit
        if limit and sum(resident[container.pid] for container in group) > limit:
            exact = {c.pid: sum(map(proportional_memory, processes[c.pid])) for c in group}
            if sum(exact.values()) > limit:
                self.end_for_memory(max(group, key=lambda c: exact[c.pid]))

    def end_for_memory(self, container: Container) -> None:
        """Kill a container that uses too much memory."""
        container.oom = True
        kill_group(container.pid)


def limit_resource(name: str, soft: int, hard: int) -> None:
    """Set one of the limits that `ulimit` knows, as far as this user may; skip one that the system lacks."""
    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    if number is None:
        return
    try:
        resource.setrlimit(number, (soft, hard))
    except (ValueError, OSError):
        highest = resource.getrlimit(number)[1]
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(number, (min(soft, highest), min(hard, highest)))


def kill(pid: int, number: int) -> None:
    """Signal a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_group(pid: int) -> None:
    """Kill a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def exit_code(status: int) -> int:
    """Return the exit code as a shell and Docker count it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def read_all(descriptor: int) -> bytes:
    """Read until the other end closes."""
    data = b""
    while chunk := os.read(descriptor, 64):
        data += chunk
    return data


def drain(descriptor: int) -> None:
    """Empty a non-blocking pipe."""
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def read_file(path: Path) -> bytes:
    """Return a file's content; empty when it is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def stat_fields(pid: int | str) -> list[bytes]:
    """Return the fields of `/proc/<pid>/stat` from the third (state) on; empty when the process is gone."""
    return read_file(PROC / str(pid) / "stat").rpartition(b")")[2].split()


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot, or 0 when that is unknown."""
    fields = stat_fields(pid) if LINUX else []
    return int(fields[19]) if fields else 0


def session_of(pid: int) -> int:
    """Return the session of a process, or -1 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def environment_of(pid: int) -> list[bytes]:
    """Return the variables that a process was started with."""
    return read_file(PROC / str(pid) / "environ").split(b"\0")


def marked_processes() -> list[tuple[int, str]]:
    """Return the (pid, container) of every process on this machine that was started in a container."""
    mark = f"{CONTAINER_MARK}=".encode()
    return [
        (pid, variable.rpartition(b"/")[2].decode("utf-8", "replace"))
        for pid in (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
        for variable in environment_of(pid)
        if variable.startswith(mark)
    ]


def adopted_children(known: Any) -> list[int]:
    """Return our children other than the containers' first processes."""
    if not LINUX:
        return []
    listed = read_file(PROC / f"{os.getpid()}/task/{os.getpid()}/children")
    return [pid for pid in map(int, listed.split()) if pid not in known]


def process_table() -> list[tuple[int, int, int]]:
    """Return the (pid, session, resident pages) of every process on the machine."""
    table = []
    for name in os.listdir(PROC):  # noqa: PTH208 - thousands of times a minute
        if name.isdigit():
            fields = stat_fields(name)
            if fields:
                table.append((int(name), int(fields[3]), int(fields[21])))
    return table


def proportional_memory(pid: int) -> int:
    """Return the bytes of a process, with each shared page divided by the number of its users."""
    for line in read_file(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    Warden(socket.socket(fileno=int(sys.argv[1]))).run()
