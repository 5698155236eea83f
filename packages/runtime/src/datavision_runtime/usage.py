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


class TreeUsage:
    """What the descendants of a process use, as of the samples taken so far; peaks between two samples are missed."""

    def __init__(self, root: psutil.Process, *, forked: bool = False) -> None:
        """Measure the descendants of `root`.

        Args:
            root: The process.
            forked: Count `root` itself too, and of the pages that processes share each one's part.
        """
        self._root = root
        self._forked = forked
        self._peak = 0
        self._written: dict[int, int] = {}

    @property
    def usage(self) -> Usage:
        """What was seen."""
        return Usage(self._peak, sum(self._written.values()))

    def sample(self) -> int:
        """Take one sample of every living process, and return their memory in bytes."""
        total = 0
        for process in self._processes():
            with suppress(psutil.Error):
                total += self._memory(process)
            with suppress(psutil.Error, AttributeError):  # macOS has no io_counters
                self._written[process.pid] = process.io_counters().write_bytes
        self._peak = max(self._peak, total)
        return total

    def _processes(self) -> list[psutil.Process]:
        try:
            found: list[psutil.Process] = self._root.children(recursive=True)
        except psutil.Error:
            return []
        return [self._root, *found] if self._forked else found

    def _memory(self, process: psutil.Process) -> int:
        if self._forked and psutil.LINUX:
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)


class UsageSampler:
    """Samples the children of this process in a thread until `stop`.

    Peaks shorter than `SAMPLE_SECONDS` can be missed; inside a container the kernel's own `memory.peak` has them.
    """

    def __init__(self) -> None:
        self._tree = TreeUsage(psutil.Process())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="usage", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> Usage:
        """Stop sampling and return what was seen."""
        self._stopped.set()
        self._thread.join()
        seen = self._tree.usage
        return Usage(max(seen.peak_memory_bytes, cgroup_peak()), seen.bytes_written)

    def _loop(self) -> None:
        while True:
            self._tree.sample()
            if self._stopped.wait(SAMPLE_SECONDS):
                return


def cgroup_peak() -> int:
    """Return the peak memory of this container in bytes, or 0 where the kernel does not report it."""
    if not Path("/.dockerenv").exists() and not Path("/run/.containerenv").exists():
        return 0
    try:
        return int(CGROUP_PEAK.read_text())
    except (OSError, ValueError):
        return 0
