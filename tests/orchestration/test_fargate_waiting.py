"""How a task is watched: intervals, patience with MISSING, the token bucket, the launch budget."""

import asyncio
from typing import Any

import pytest

from datavision.aws import Cloud
from datavision.config import Launch
from datavision.fargate.edge.ecs_tasks import StopReason, condensed
from datavision.fargate.launching.budget import LaunchBudget
from datavision.fargate.outcome.classify import Wanted
from datavision.fargate.waiting.interval import poll_interval
from datavision.fargate.waiting.poll_loop import BURST, poll_loop
from datavision.fargate.waiting.watch import MISSING_LOOKS, Verdict, Watch

PINNED = "sha256:" + "a" * 64
GRACE = 20.0


def interval(running: float | None, usual: float | None) -> float:
    return poll_interval(running_seconds=running, usual_seconds=usual, min_interval=1, max_interval=15)


def a_watch(usual: float | None = None) -> Watch:
    return Watch("arn:task/1", Wanted("ingesta", PINNED, 1000.0), 0.0, usual, 1.0, 15.0, GRACE)


def test_until_a_task_runs_it_is_looked_at_fast() -> None:
    assert interval(None, 600) == 1


def test_looks_are_rare_half_way_and_frequent_near_the_usual_end() -> None:
    assert interval(300, 600) == 15
    assert interval(560, 600) == pytest.approx(6)
    assert interval(599, 600) == 1


def test_long_after_the_usual_end_looks_are_rare_again() -> None:
    assert interval(620, 600) == pytest.approx(2)
    assert interval(1200, 600) == 15


def test_without_a_usual_duration_a_look_is_late_by_a_small_share_of_the_run() -> None:
    assert interval(10, None) == 1
    assert interval(100, None) == pytest.approx(4)
    assert interval(10_000, None) == 15


def test_a_stopped_task_is_done() -> None:
    assert a_watch().see({"lastStatus": "STOPPED"}, 5.0).verdict is Verdict.STOPPED


def test_a_task_unknown_right_after_its_launch_is_waited_for() -> None:
    watch = a_watch()
    for moment in range(int(GRACE)):
        assert watch.see(None, moment).verdict is Verdict.WAIT


def test_a_task_unknown_several_times_in_a_row_is_forgotten() -> None:
    watch = a_watch()
    verdicts = [watch.see(None, GRACE + look).verdict for look in range(MISSING_LOOKS)]
    assert verdicts == [Verdict.WAIT] * (MISSING_LOOKS - 1) + [Verdict.MISSING]


def test_a_task_unknown_once_in_between_is_not_forgotten() -> None:
    watch = a_watch()
    running = {"lastStatus": "RUNNING", "startedAt": 1.0}
    for moment in range(50, 70):
        assert watch.see(None if moment % 2 else running, moment).verdict is Verdict.WAIT


def test_a_task_past_its_start_deadline_is_stopped_once_and_then_waited_for() -> None:
    watch = a_watch()
    look = watch.see({"lastStatus": "PENDING"}, 1001.0)
    assert (look.verdict, look.reason) == (Verdict.STOP, StopReason.START_DEADLINE)
    assert watch.see({"lastStatus": "PENDING", "desiredStatus": "STOPPED"}, 1002.0).verdict is Verdict.WAIT


def test_a_watch_travels_as_plain_json_and_comes_back_the_same() -> None:
    watch = a_watch(usual=30.0)
    assert Watch.of(watch.arguments()) == watch


def test_a_condensed_task_keeps_what_decides_and_turns_times_into_seconds() -> None:
    from datetime import UTC, datetime

    task: dict[str, Any] = {
        "taskArn": "arn",
        "lastStatus": "STOPPED",
        "startedAt": datetime(2026, 1, 1, tzinfo=UTC),
        "attachments": ["…"],
        "containers": [{"name": "a", "exitCode": 0, "imageDigest": PINNED, "networkInterfaces": []}],
    }
    assert condensed(task) == {
        "taskArn": "arn",
        "lastStatus": "STOPPED",
        "startedAt": 1767225600.0,
        "containers": [{"name": "a", "exitCode": 0, "imageDigest": PINNED}],
    }


async def test_a_poll_loop_lets_a_burst_through_and_then_its_rate() -> None:
    limiter = poll_loop(Cloud("us-east-1"), "a-cluster", 100, 30).limiter
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(limiter.acquire() for _ in range(int(BURST))))
    assert loop.time() - began < 0.05
    await asyncio.gather(*(limiter.acquire() for _ in range(30)))
    assert loop.time() - began >= 0.29


def test_the_launch_budget_backs_off_with_jitter_up_to_its_maximum() -> None:
    budget = LaunchBudget(Launch(attempts=20, total_seconds=10_000, backoff_initial_seconds=2, backoff_max_seconds=60))
    delays = [budget.next_delay(attempt, 0) or 0 for attempt in range(1, 15)]
    assert all(0 < delay <= 60 for delay in delays)
    assert delays[4] > delays[0]
    assert len({budget.next_delay(3, 0) for _ in range(5)}) > 1


def test_the_launch_budget_ends_with_its_attempts() -> None:
    budget = LaunchBudget(Launch(attempts=3))
    assert budget.next_delay(2, 0) is not None
    assert budget.next_delay(3, 0) is None


def test_the_launch_budget_ends_with_its_time() -> None:
    budget = LaunchBudget(Launch(attempts=100, total_seconds=60))
    assert budget.next_delay(2, 59) is not None
    assert budget.next_delay(2, 61) is None
