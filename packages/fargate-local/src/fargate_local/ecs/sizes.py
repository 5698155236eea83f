"""Fargate's task sizes (developer guide, "Task CPU and memory", read November 2026; Linux)."""

import re

GIB = 1024
SIZES: dict[int, range] = {
    256: range(0),
    512: range(1 * GIB, 4 * GIB + 1, GIB),
    1024: range(2 * GIB, 8 * GIB + 1, GIB),
    2048: range(4 * GIB, 16 * GIB + 1, GIB),
    4096: range(8 * GIB, 30 * GIB + 1, GIB),
    8192: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
    16384: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
}
SMALLEST_MEMORY = (512, 1 * GIB, 2 * GIB)
CPU_TEXT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*vcpu\s*\Z", re.IGNORECASE)
MEMORY_TEXT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*gb\s*\Z", re.IGNORECASE)


def cpu_units(text: str) -> int | None:
    """Return the CPU units of `"256"` or `".25 vCPU"`, or None for any other text."""
    if text.strip().isdigit():
        return int(text)
    found = CPU_TEXT.match(text.replace(" .", " 0.") if not text.strip().startswith(".") else f"0{text.strip()}")
    return round(float(found[1]) * 1024) if found else None


def memory_mib(text: str) -> int | None:
    """Return the MiB of `"512"` or `"2 GB"`, or None for any other text."""
    if text.strip().isdigit():
        return int(text)
    found = MEMORY_TEXT.match(text if not text.strip().startswith(".") else f"0{text.strip()}")
    return round(float(found[1]) * GIB) if found else None


def is_fargate_size(cpu: int, memory: int) -> bool:
    """Return whether Fargate has a task of this many CPU units and MiB."""
    if cpu == 256:
        return memory in SMALLEST_MEMORY
    return cpu in SIZES and memory in SIZES[cpu]


def no_such_size(cpu: int, memory: int) -> str:
    """Return ECS's message for CPU and memory that do not go together."""
    return (
        f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
        " See the Amazon ECS documentation for the valid values."
    )
