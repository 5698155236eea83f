"""Runs processes and takes what they cost: time, processor, memory. What the benchmarks share."""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    code: int
    seconds: float
    cpu_seconds: float
    """Of the process and its children."""
    peak_bytes: int


class Peak:
    """The most memory that a process and its children had at once, and their processor time.

    Looked at twenty times a second. Pages that several of them share count once: each has its proportional share.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._bytes = 0
        self._cpu: dict[int, float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> tuple[int, float]:
        """Return the most bytes and the seconds of processor that were seen."""
        self._end.set()
        self._thread.join()
        return self._bytes, sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            try:
                root = psutil.Process(self._pid)
                tree = [root, *root.children(recursive=True)]
                self._bytes = max(self._bytes, sum(_memory(process, alone=len(tree) == 1) for process in tree))
                for process in tree:
                    used = process.cpu_times()
                    self._cpu[process.pid] = used.user + used.system
            except psutil.Error:
                continue


def timed(words: Sequence[str | Path], env: Mapping[str, str]) -> Cost:
    """Run a process to its end; with another exit code than 0 this one ends, too."""
    before, began = _children_cpu(), time.monotonic()
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    memory = Peak(process.pid)
    text, _ = process.communicate()
    seconds = time.monotonic() - began
    peak, seen = memory.stop()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, words))} ended with {process.returncode}:\n{text[-3000:]}")
    # Spark's process outlives nobody, yet nobody waits for it: what was seen of it is all that is known.
    return Cost(0, seconds, max(seen, _children_cpu() - before), peak)


def figures(runs: Mapping[str, Sequence[Cost]]) -> dict[str, dict[str, float]]:
    """Return the medians of times, and the most memory."""
    return {
        "seconds": {who: round(statistics.median(cost.seconds for cost in costs), 2) for who, costs in runs.items()},
        "cpu_seconds": {
            who: round(statistics.median(cost.cpu_seconds for cost in costs), 2) for who, costs in runs.items()
        },
        "peak_mib": {who: max(cost.peak_bytes for cost in costs) // 2**20 for who, costs in runs.items()},
    }


def ratios(values: Mapping[str, float], to: str) -> dict[str, float]:
    """Return how many times as much as `to` each of the others has."""
    return {who: round(value / values[to], 2) for who, value in values.items() if who != to}


def machine() -> str:
    """Return what the figures were taken on."""
    return f"{os.cpu_count()} cores, {psutil.virtual_memory().total // 2**30} GiB"


def install(place: Path, packages: Sequence[str], *, compiled: bool = True) -> Path:
    """Make an environment with these packages; return its folder of programs.

    Without `compiled` the first use compiles what it imports, which is quicker where only a part of much is used.
    """
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
    words = ["uv", "pip", "install", "--quiet", "--python", str(place / "bin" / "python")]
    words += ["--compile-bytecode"] * compiled
    subprocess.run([*words, *packages], check=True)
    return place / "bin"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _memory(process: psutil.Process, *, alone: bool) -> int:
    size: int = process.memory_info().rss if alone else process.memory_full_info().pss
    return size


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
