"""What a PostgreSQL that was killed leaves in its data folder: processes, and a file with the number of the first."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

NO_PROCESS: Final = 2**22
"""Linux never assigns this process number (PID_MAX_LIMIT in include/linux/threads.h); macOS stops far below."""
KILL_SECONDS: Final = 10.0


def end_processes(data: Path) -> None:
    """Kill the processes that run in a data folder."""
    remains = [process for process in psutil.process_iter(["name"]) if works_in(process, data)]
    for process in remains:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for process in remains:
        gone(process, KILL_SECONDS)


def disown_process_file(data: Path) -> None:
    """Make the process file name no process: its number may belong to another program by now.

    The file itself stays: from it PostgreSQL finds, checks and frees the shared memory left over.
    """
    file = data / "postmaster.pid"
    if file.exists():
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{NO_PROCESS}\n{rest}")


def works_in(process: psutil.Process, data: Path) -> bool:
    """Return whether a process, found with its name, is a PostgreSQL that works in this folder."""
    if process.info["name"] != "postgres":
        return False
    try:
        return Path(process.cwd()) == data
    except (psutil.Error, OSError):
        return False


def gone(process: psutil.Process, seconds: float) -> bool:
    """Wait until a process has ended, at most this long; return whether it has."""
    deadline = time.monotonic() + seconds
    while lives(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def lives(process: psutil.Process) -> bool:
    """Return whether a process has not ended; a container's first process may be slow to reap what has."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
