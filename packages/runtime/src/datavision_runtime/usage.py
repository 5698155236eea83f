"""What a command used: peak memory and bytes written of a process tree."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP_PEAK = Path("/sys/fs/cgroup/memory.peak")
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Usage:
    """Peak resident memory of the process tree in bytes, and bytes that its processes wrote to files."""

    peak_memory_bytes: int = 0
    bytes_written: int = 0


class UsageSampler:
    """Samples the children of this process in a thread until `stop`.

    Peaks shorter than `SAMPLE_SECONDS` can be missed; inside a container the kernel's own `memory.peak` has them.
    """

    def __init__(self) -> None:
        self._peak = 0
        self._written: dict[int, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="usage", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> Usage:
        """Stop sampling and return what was seen."""
        self._stopped.set()
        self._thread.join()
        return Usage(max(self._peak, cgroup_peak()), sum(self._written.values()))

    def _loop(self) -> None:
        while True:
            self.sample()
            if self._stopped.wait(SAMPLE_SECONDS):
                return

    def sample(self) -> None:
        """Take one sample of every living descendant."""
        total = 0
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                total += process.memory_info().rss
            with suppress(psutil.Error, AttributeError):  # macOS has no io_counters
                self._written[process.pid] = process.io_counters().write_bytes
        self._peak = max(self._peak, total)


def cgroup_peak() -> int:
    """Return the peak memory of this container in bytes, or 0 where the kernel does not report it."""
    if not Path("/.dockerenv").exists() and not Path("/run/.containerenv").exists():
        return 0
    try:
        return int(CGROUP_PEAK.read_text())
    except (OSError, ValueError):
        return 0
