"""Sizes of tasks: those that Fargate has, and how they are written.

Developer guide, "Task CPU and memory" (read November 2026).
"""

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs

from fargate_local.ecs.sizes import cpu_units, is_fargate_size, memory_mib

VALID = [
    (256, 512),
    (256, 2048),
    (512, 4096),
    (1024, 8192),
    (2048, 16384),
    (4096, 30720),
    (8192, 61440),
    (16384, 122880),
]
INVALID = [
    (256, 4096),
    (512, 512),
    (1024, 1024),
    (2048, 3072),
    (4096, 31744),
    (8192, 17408),
    (16384, 30720),
    (300, 512),
]


@pytest.mark.parametrize(("cpu", "memory"), VALID)
def test_fargates_sizes_are_accepted(cpu: int, memory: int) -> None:
    assert is_fargate_size(cpu, memory)


@pytest.mark.parametrize(("cpu", "memory"), INVALID)
def test_other_sizes_are_refused(ecs: Ecs, cpu: str, memory: str) -> None:
    with pytest.raises(ClientError, match=f"No Fargate configuration exists for given values: {cpu} CPU, {memory} mem"):
        ecs.define({"command": ["true"]}, cpu=str(cpu), memory=str(memory))


@pytest.mark.parametrize(
    ("text", "units"), [("256", 256), (".25 vCPU", 256), ("1 vcpu", 1024), ("4 VCPU", 4096), ("x", None)]
)
def test_cpu_is_written_in_units_or_vcpus(text: str, units: int) -> None:
    assert cpu_units(text) == units


@pytest.mark.parametrize(
    ("text", "mib"), [("512", 512), ("0.5 GB", 512), ("2GB", 2048), ("1 gb", 1024), ("lots", None)]
)
def test_memory_is_written_in_mib_or_gb(text: str, mib: int) -> None:
    assert memory_mib(text) == mib


def test_sizes_in_words_run(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"command": ["true"]}, cpu=".25 vCPU", memory="1 GB"))
    assert (task["cpu"], task["memory"]) == ("256", "1024")
