"""What the processes of containers use: CPU time and memory, read from /proc at two moments."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fargate_local.engine.warden import LINUX, PROC, proportional_memory, read_file, stat_fields

SECONDS_BETWEEN: Final = 0.25
NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A container at one moment: CPU times in seconds, memory in bytes as its limit counts it, number of processes.

    ``machine`` is the time that all CPUs of the machine have spent, idle or not.
    """

    at: datetime
    user: float
    kernel: float
    machine: float
    memory: int
    processes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """A container between two moments."""

    before: Sample
    after: Sample

    @property
    def cpus(self) -> float:
        """How many CPUs it has kept busy."""
        machine = self.after.machine - self.before.machine
        used = self.after.user + self.after.kernel - self.before.user - self.before.kernel
        return max(used, 0.0) * (os.cpu_count() or 1) / machine if machine > 0 else 0.0

    def as_docker(self, name: str, identifier: str, limit: int) -> dict[str, Any]:
        """Return it as Docker's ContainerStats has it; what is not measured (network, disk) is not in it."""
        return {
            "read": self.after.at.isoformat().replace("+00:00", "Z"),
            "preread": self.before.at.isoformat().replace("+00:00", "Z"),
            "name": name,
            "id": identifier,
            "pids_stats": {"current": self.after.processes},
            "cpu_stats": cpu_stats(self.after),
            "precpu_stats": cpu_stats(self.before),
            "memory_stats": {"usage": self.after.memory, "limit": limit, "stats": {}},
        }


def cpu_stats(sample: Sample) -> dict[str, Any]:
    """Return CPU times in nanoseconds."""
    return {
        "cpu_usage": {
            "total_usage": int((sample.user + sample.kernel) * NANOSECONDS),
            "usage_in_usermode": int(sample.user * NANOSECONDS),
            "usage_in_kernelmode": int(sample.kernel * NANOSECONDS),
        },
        "system_cpu_usage": int(sample.machine * NANOSECONDS),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


def measured(first_processes: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage of containers within a quarter of a second, those that have ended left out; Linux only.

    `first_processes` holds the process id of each container's first process, which is the session of all of them.
    """
    before = sampled(first_processes)
    if not before:
        return {}
    time.sleep(SECONDS_BETWEEN)
    after = sampled(first_processes)
    return {name: Usage(before[name], after[name]) for name in before if name in after}


def sampled(first_processes: Mapping[str, int]) -> dict[str, Sample]:
    """Return the containers that run at this moment."""
    if not LINUX:
        return {}
    at, machine = datetime.now(UTC), machine_seconds()
    found: dict[int, list[tuple[int, list[bytes]]]] = {pid: [] for pid in first_processes.values()}
    for name in os.listdir(PROC):  # noqa: PTH208 - the kernel's names, of which there may be thousands
        fields = stat_fields(name) if name.isdigit() else []
        if fields and int(fields[3]) in found:
            found[int(fields[3])].append((int(name), fields))
    samples = {}
    for container, pid in first_processes.items():
        # With the time of children that have ended: proc(5), utime, stime, cutime and cstime.
        user = sum(seconds(fields[11]) + seconds(fields[13]) for _, fields in found[pid])
        kernel = sum(seconds(fields[12]) + seconds(fields[14]) for _, fields in found[pid])
        memory = sum(proportional_memory(process) for process, _ in found[pid])
        if found[pid]:
            samples[container] = Sample(at, user, kernel, machine, memory, len(found[pid]))
    return samples


def seconds(ticks: bytes) -> float:
    """Return clock ticks as seconds."""
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> float:
    """Return the time of all CPUs since the machine's start: proc(5), the first line of /proc/stat without guests."""
    line = read_file(PROC / "stat").partition(b"\n")[0]
    return sum(map(seconds, line.split()[1:9]))
