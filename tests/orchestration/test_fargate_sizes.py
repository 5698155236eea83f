"""Fargate sizes: validity, growth, shrinking."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datavision.errors import ConfigError
from datavision.fargate.sizing.sizes import (
    REMEMBERED_RUNS,
    FargateSize,
    SizeMemory,
    choose,
    learn,
    next_size,
    validate,
)

MIB = 1024 * 1024
SMALL = FargateSize(512, 1024)


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 512), (512, 4096), (2048, 16384), (4096, 30720), (8192, 61440), (16384, 122880)]
)
def test_the_sizes_that_fargate_offers_are_valid(cpu: int, memory: int) -> None:
    assert validate(cpu, memory) == FargateSize(cpu, memory)


@pytest.mark.parametrize(("cpu", "memory"), [(256, 4096), (512, 1000), (8192, 17408), (16384, 30720)])
def test_memory_that_fargate_does_not_offer_with_that_cpu_is_refused_with_what_it_offers(cpu: int, memory: int) -> None:
    with pytest.raises(ConfigError, match="Valid there: "):
        validate(cpu, memory)


def test_a_cpu_that_fargate_does_not_offer_is_refused_with_what_it_offers() -> None:
    with pytest.raises(ConfigError, match="256, 512, 1024, 2048, 4096, 8192, 16384"):
        validate(300, 512)


def test_growing_takes_the_next_memory_of_the_same_cpu() -> None:
    assert next_size(FargateSize(1024, 4096), 30720) == FargateSize(1024, 5120)


def test_growing_beyond_a_cpus_largest_memory_takes_the_next_cpu() -> None:
    assert next_size(FargateSize(1024, 8192), 30720) == FargateSize(2048, 9216)


def test_growing_stops_at_the_ceiling() -> None:
    assert next_size(FargateSize(1024, 4096), 4096) is None


def test_growing_stops_at_the_largest_size_of_all() -> None:
    assert next_size(FargateSize(16384, 122880), 10**6) is None


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from([256, 512, 1024, 2048, 4096, 8192, 16384]), st.integers(512, 122880))
def test_growing_always_gives_a_valid_larger_size_within_the_ceiling(cpu: int, ceiling: int) -> None:
    size: FargateSize | None = FargateSize(cpu, {256: 512, 512: 1024}.get(cpu, cpu * 2))
    while size is not None:
        bigger = next_size(size, ceiling)
        if bigger is not None:
            assert validate(bigger.cpu, bigger.memory) == bigger
            assert size.memory < bigger.memory <= ceiling
            assert bigger.cpu >= size.cpu
        size = bigger


def test_without_history_the_declared_size_is_chosen() -> None:
    choice = choose(SMALL, SizeMemory(), None, 30720)
    assert (choice.size, choice.why) == (SMALL, "as declared")


def test_what_this_run_grew_to_comes_before_everything() -> None:
    grown = FargateSize(512, 3072)
    choice = choose(SMALL, SizeMemory(FargateSize(512, 2048)), grown, 30720)
    assert choice.size == grown
    assert "out-of-memory" in choice.why


def test_a_larger_size_that_worked_before_is_chosen_again() -> None:
    choice = choose(SMALL, SizeMemory(FargateSize(512, 2048)), None, 30720)
    assert choice.size == FargateSize(512, 2048)
    assert "remembered" in choice.why


def test_a_remembered_size_above_the_ceiling_is_not_chosen() -> None:
    assert choose(SMALL, SizeMemory(FargateSize(512, 4096)), None, 2048).size == SMALL


def test_a_raised_declaration_beats_a_smaller_remembered_size() -> None:
    declared = FargateSize(1024, 8192)
    assert choose(declared, SizeMemory(FargateSize(512, 2048)), None, 30720).size == declared


def run_often(memory: SizeMemory, used: FargateSize, peak_mib: int, times: int) -> SizeMemory:
    for _ in range(times):
        memory = learn(memory, SMALL, used, peak_mib * MIB, 10.0)
    return memory


def test_a_grown_size_shrinks_after_enough_runs_under_half_of_it() -> None:
    used = FargateSize(512, 4096)
    memory = run_often(SizeMemory(used), used, 900, REMEMBERED_RUNS)
    assert memory.size == FargateSize(512, 2048)


def test_a_grown_size_stays_while_one_remembered_run_needed_more_than_half() -> None:
    used = FargateSize(512, 4096)
    memory = learn(SizeMemory(used), SMALL, used, 2500 * MIB, 10.0)
    memory = run_often(memory, used, 100, REMEMBERED_RUNS - 1)
    assert memory.size == used


def test_one_run_less_than_enough_does_not_shrink() -> None:
    used = FargateSize(512, 4096)
    assert run_often(SizeMemory(used), used, 900, REMEMBERED_RUNS - 1).size == used


def test_the_declared_size_never_shrinks() -> None:
    memory = run_often(SizeMemory(), SMALL, 1, 3 * REMEMBERED_RUNS)
    assert choose(SMALL, memory, None, 30720).size == SMALL


def test_a_declaration_that_was_lowered_counts_at_once() -> None:
    memory = learn(SizeMemory(), FargateSize(512, 4096), FargateSize(512, 4096), MIB, 10.0)
    assert choose(SMALL, memory, None, 30720).size == SMALL


def test_a_size_that_shrank_all_the_way_is_the_declared_one_again() -> None:
    used = FargateSize(512, 2048)
    memory = run_often(SizeMemory(used), used, 100, REMEMBERED_RUNS)
    assert choose(SMALL, memory, None, 30720).why == "as declared"


def test_the_usual_duration_is_the_median_of_the_last_runs() -> None:
    memory = SizeMemory()
    for seconds in (10.0, 12.0, 500.0, 11.0, 9.0):
        memory = learn(memory, SMALL, SMALL, MIB, seconds)
    assert memory.usual_seconds == 11.0
    assert SizeMemory().usual_seconds is None
