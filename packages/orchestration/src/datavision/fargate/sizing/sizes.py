"""Fargate sizes: which are valid, which is next after running out of memory, and what past runs show.

Source of the table: ECS developer guide, "Task CPU and memory" for Linux on Fargate, November 2026.
"""

from dataclasses import dataclass, field

from datavision.errors import ConfigError

GIB = 1024
"""MiB in a GiB; Fargate states memory in MiB."""

_TABLE: dict[int, tuple[int, ...]] = {
    256: (512, 1 * GIB, 2 * GIB),
    512: tuple(range(1 * GIB, 4 * GIB + 1, GIB)),
    1024: tuple(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: tuple(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: tuple(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: tuple(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: tuple(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}

REMEMBERED_RUNS = 5
"""Runs whose peak memory must lie under half of the size before it shrinks."""


@dataclass(frozen=True)
class FargateSize:
    """CPU units (1024 = one vCPU) and memory in MiB."""

    cpu: int
    memory: int

    def __str__(self) -> str:
        return f"{self.cpu} CPU units, {self.memory} MiB"


@dataclass(frozen=True)
class Choice:
    """The size of one launch, and why it was chosen."""

    size: FargateSize
    why: str


@dataclass(frozen=True)
class SizeMemory:
    """What earlier runs of one task showed: the size they grew to, and their last peaks and durations."""

    size: FargateSize | None = None
    """None while the declared size does."""
    peaks: tuple[int, ...] = field(default=())
    """Peak memory in bytes of the last successful runs at this size, newest last."""
    seconds: tuple[float, ...] = field(default=())
    """Wall seconds of the last successful runs, newest last."""

    @property
    def usual_seconds(self) -> float | None:
        """Median duration of the remembered runs, or None before the first."""
        if not self.seconds:
            return None
        return sorted(self.seconds)[len(self.seconds) // 2]


def validate(cpu: int, memory: int) -> FargateSize:
    """Return the size if Fargate offers it.

    Raises:
        ConfigError: Fargate does not; the message lists what it offers.
    """
    if cpu not in _TABLE:
        raise ConfigError(f"Fargate has no size with {cpu} CPU units. Use one of: {', '.join(map(str, _TABLE))}.")
    if memory not in _TABLE[cpu]:
        raise ConfigError(
            f"Fargate has no {memory} MiB with {cpu} CPU units. "
            f"Valid there: {', '.join(map(str, _TABLE[cpu]))} MiB; another cpu offers other sizes."
        )
    return FargateSize(cpu, memory)


def next_size(size: FargateSize, max_memory: int) -> FargateSize | None:
    """Return the smallest valid size with more memory, keeping the CPU if possible; None above `max_memory` MiB."""
    for cpu, memories in _TABLE.items():
        if cpu < size.cpu:
            continue
        for memory in memories:
            if memory > size.memory:
                return FargateSize(cpu, memory) if memory <= max_memory else None
    return None


def fitting(cpu: int, memory: float) -> FargateSize | None:
    """Return the smallest size of `cpu` units with at least `memory` MiB; None when Fargate has none."""
    return next((FargateSize(cpu, offered) for offered in _TABLE.get(cpu, ()) if offered >= memory), None)


def choose(declared: FargateSize, remembered: SizeMemory, grown: FargateSize | None, max_memory: int) -> Choice:
    """Choose the size of a launch: what this run grew to, else what the last runs needed, else the declared one."""
    if grown and grown.memory > declared.memory:
        return Choice(grown, f"grown to {grown.memory} MiB after an out-of-memory kill in this run")
    known = remembered.size
    if known is None or known.memory <= declared.memory:
        return Choice(declared, "as declared")
    if known.memory > max_memory:
        return Choice(
            declared, f"as declared: the remembered {known.memory} MiB exceed the ceiling of {max_memory} MiB"
        )
    return Choice(known, f"remembered: an earlier run was killed with less than {known.memory} MiB")


def learn(remembered: SizeMemory, declared: FargateSize, used: FargateSize, peak: int, seconds: float) -> SizeMemory:
    """Return the memory after a successful run at `used` with a peak of `peak` bytes.

    A grown size shrinks by one step towards `declared` once REMEMBERED_RUNS runs stayed under half of it.
    """
    durations = (*remembered.seconds, seconds)[-REMEMBERED_RUNS:]
    if used.memory <= declared.memory:
        return SizeMemory(None, (), durations)
    peaks = ((*remembered.peaks, peak) if remembered.size == used else (peak,))[-REMEMBERED_RUNS:]
    if len(peaks) < REMEMBERED_RUNS or max(peaks) >= used.memory * 1024 * 1024 / 2:
        return SizeMemory(used, peaks, durations)
    smaller = _shrunk(used, declared)
    return SizeMemory(smaller if smaller.memory > declared.memory else None, (), durations)


def _shrunk(used: FargateSize, declared: FargateSize) -> FargateSize:
    """Return the smallest size between `declared` and half of `used`, so that the next peak still fits."""
    size = declared
    while size.memory < used.memory / 2:
        bigger = next_size(size, used.memory)
        if bigger is None:
            return used
        size = bigger
    return size
