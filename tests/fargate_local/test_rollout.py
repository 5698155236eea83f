"""What a service starts and stops next: never fewer healthy tasks than it keeps, never more tasks than it may have."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate_local.ecs.rollout import Limits, Member, Step, next_step


def members(*kinds: str) -> list[Member]:
    """Tasks by a word each: `old` or `new`, then `!` sick, `.` pending, `~` running and not yet healthy."""
    made = []
    for number, kind in enumerate(kinds):
        mark = kind[3:]
        running, healthy = mark != ".", mark == ""
        made.append(Member(f"{kind}{number}", kind[:3], running=running, healthy=healthy, unhealthy=mark == "!"))
    return made


@pytest.mark.parametrize(
    ("limits", "tasks", "step"),
    [
        pytest.param(Limits(2), [], Step(start=2), id="nothing runs"),
        pytest.param(Limits(2), ["new", "new"], Step(), id="all is well"),
        pytest.param(Limits(1), ["new.", "new", "new"], Step(surplus=["new2", "new.0"]), id="scaled in"),
        pytest.param(Limits(2), ["old", "old"], Step(start=2), id="new ones come first"),
        pytest.param(Limits(2), ["old", "old", "new", "new~"], Step(surplus=["old0"]), id="one for one"),
        pytest.param(Limits(2), ["old", "old", "new", "new"], Step(surplus=["old0", "old1"]), id="done"),
        pytest.param(Limits(2, 50, 100), ["old", "old"], Step(start=1, surplus=["old0"]), id="no room above"),
        pytest.param(Limits(2, 0, 100), ["old", "old"], Step(start=2, surplus=["old0", "old1"]), id="all at once"),
        pytest.param(Limits(3, 100, 150), ["old"] * 3, Step(start=1), id="the room is rounded down"),
        pytest.param(Limits(3, 50, 100), ["old"] * 3, Step(start=1, surplus=["old0"]), id="what stays is rounded up"),
        pytest.param(Limits(2), ["old.", "old"], Step(start=2, surplus=["old.0"]), id="old ones that serve nobody go"),
        pytest.param(Limits(1), ["new!"], Step(start=1, unhealthy=["new!0"]), id="a sick one is replaced"),
        pytest.param(Limits(0), ["old", "new"], Step(surplus=["new1", "old0"]), id="nothing is wanted"),
    ],
)
def test_the_next_step(limits: Limits, tasks: list[str], step: Step) -> None:
    assert next_step("new", limits, members(*tasks)) == step


LIMITS = st.builds(Limits, st.integers(0, 12), st.integers(0, 100), st.integers(100, 200)).filter(
    lambda limits: limits.highest > limits.lowest or limits.desired == 0
)


@given(LIMITS, st.integers(0, 12), st.randoms(use_true_random=False))
def test_a_deployment_ends_within_its_limits(limits: Limits, before: int, chance: object) -> None:
    """Each new task becomes healthy some time after it was started; nothing else happens."""
    tasks = members(*["old"] * min(before, limits.desired))
    healthy_at_first = len(tasks)
    for round_number in range(200):
        step = next_step("new", limits, tasks)
        tasks = [task for task in tasks if task.arn not in step.surplus]
        tasks += [Member(f"new-{round_number}-{n}", "new", running=True, healthy=False) for n in range(step.start)]
        assert len(tasks) <= limits.highest
        assert sum(task.healthy for task in tasks) >= min(limits.lowest, healthy_at_first)
        if step == Step() and all(task.healthy for task in tasks):
            break
        coming = [number for number, task in enumerate(tasks) if not task.healthy]
        for number in coming[: chance.randint(1, len(coming))] if coming else ():  # type: ignore[attr-defined]  # Random
            tasks[number] = replace(tasks[number], healthy=True)
    assert [task.deployment for task in tasks] == ["new"] * limits.desired
