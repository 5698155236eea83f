"""What Airflow calls of the operator (execute, resume, resume_execution, on_kill), with containers that really run."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import TaskDeferred
from tests.faults.conftest import fired

from datavision.aws import Cloud
from datavision.config import Ecs
from datavision.errors import ConfigError
from datavision.fargate.edge.logs import LogStream, read_on
from datavision.fargate.operator.retry_policy import FailureTablePolicy
from datavision.fargate.operator.trigger import FargateTrigger, PauseTrigger
from datavision.fargate.outcome import errors
from datavision.fargate.outcome.cost import cost_usd, price_in
from datavision.fargate.sizing.sizes import FargateSize
from datavision.fargate.waiting.log_follower import Follower
from datavision.fargate.waiting.watch import Watch

Make = Callable[..., Any]
WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


def deferred(act: Callable[[], Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as raised:
        act()
    return raised.value


def timed_out(task: Any) -> Callable[[], Any]:
    """Resume the task as Airflow does when its deferral lasted longer than execution_timeout."""
    return partial(task.operator().resume_execution, TRIGGER_FAIL_REPR, {"error": "Trigger timeout"}, task.context())


class Commands:
    """A decorated function that says how often it was called, and answers differently each time."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = scripts
        self.calls = 0

    def function(self) -> Callable[..., list[str]]:
        def command() -> list[str]:
            self.calls += 1
            return ["sh", "-c", self.scripts[self.calls - 1]]

        return command


def test_the_decorated_function_runs_once_per_try_whatever_happens_in_between(airflow: Make, platform: Any) -> None:
    platform.fargate.add_fault("capacity", times=1)
    platform.fargate.add_fault("cannot-pull", message="CannotPullContainerError: i/o timeout", times=1)
    commands = Commands("exit 1", WRITE)
    task = airflow("not run", "triggerer")
    task.make_command = commands.function()
    assert task.run().xcom["rows"] == 7
    assert (commands.calls, task.tries) == (2, 2)
    assert [audit.command[-1] for audit in task.audits()] == ["exit 1", "exit 1", WRITE]


def test_a_container_that_succeeded_stays_a_success_though_the_function_would_fail_now(airflow: Make) -> None:
    task = airflow("not run", "triggerer")
    task.make_command = Commands(WRITE).function()  # a second call is an IndexError
    assert task.run().xcom["rows"] == 7


def test_a_time_out_names_the_command_that_ran(airflow: Make, platform: Any) -> None:
    task = airflow("not run", "triggerer", execution_timeout=60)
    task.make_command = Commands("echo up; sleep 60").function()
    task.tries = 1
    deferral = deferred(lambda: task.operator().execute(task.context()))
    assert deferral.timeout is not None
    assert 50 < deferral.timeout.total_seconds() <= 60
    with pytest.raises(errors.TaskTimeoutError, match="longer than its execution_timeout"):
        timed_out(task)()
    assert platform.running() == []
    (audit,) = task.audits()
    assert (audit.outcome, audit.command[-1]) == ("time-out", "echo up; sleep 60")


def test_a_success_that_came_before_the_time_out_is_the_result(airflow: Make) -> None:
    task = airflow(WRITE, "triggerer", execution_timeout=60)
    task.tries = 1
    deferral = deferred(lambda: task.operator().execute(task.context()))
    asyncio.run(fired(deferral.trigger))
    assert timed_out(task)()["rows"] == 7


def test_a_trigger_that_failed_is_replaced_by_waiting_in_the_worker(airflow: Make) -> None:
    task = airflow(WRITE, "triggerer")
    task.tries = 1
    deferred(lambda: task.operator().execute(task.context()))
    xcom = task.operator().resume_execution(TRIGGER_FAIL_REPR, {"error": "Trigger failure"}, task.context())
    assert xcom["rows"] == 7
    assert task.launches() == 1
    assert any("waiting for the container in the worker" in line for line in task.said)


def test_a_long_pause_between_launches_gives_the_worker_back(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_ECS__LAUNCH__BACKOFF_INITIAL_SECONDS", "30")
    monkeypatch.setenv("DATAVISION_ECS__LAUNCH__BACKOFF_MAX_SECONDS", "30")
    platform.fargate.add_fault("capacity", times=1)
    task = airflow(WRITE, "triggerer")
    task.tries = 1
    pause = deferred(lambda: task.operator().execute(task.context()))
    assert isinstance(pause.trigger, PauseTrigger)
    waiting = deferred(lambda: task.operator().resume_execution(pause.method_name, {"event": {}}, task.context()))
    assert isinstance(waiting.trigger, FargateTrigger)
    assert task.launches() == 1


def test_killing_the_worker_process_stops_the_container_and_shows_the_rest_of_its_log(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = airflow("trap 'echo last words; exit 143' TERM; echo up; sleep 60 & wait")
    task.tries = 1
    operator = task.operator()

    def killed(cloud: Cloud, cluster: str, watch: Watch, stream: LogStream, emit: Any, look: Any) -> Any:
        while "up" not in read_on(cloud, stream, None)[0]:
            time.sleep(0.1)
        operator.on_kill()
        raise SystemExit(143)

    monkeypatch.setattr("datavision.fargate.operator.operator.wait_in_worker", killed)
    with pytest.raises(SystemExit):
        operator.execute(task.context())
    assert platform.running() == []
    assert "last words" in task.said
    assert [audit.outcome for audit in task.audits()] == ["stopped by Airflow"]


def test_the_last_try_leaves_no_container_behind_when_something_of_ours_breaks(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> Any:
        raise OSError("the disk is full")

    task = airflow("sleep 60", retries=0)
    task.tries = 1
    monkeypatch.setattr("datavision.fargate.operator.operator.wait_in_worker", broken)
    with pytest.raises(OSError, match="the disk is full"):
        task.operator().execute(task.context())
    assert platform.running() == []


def test_an_earlier_try_leaves_its_container_to_the_next(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> Any:
        raise OSError("the disk is full")

    task = airflow("sleep 1; " + WRITE, retries=2)
    task.tries = 1
    with monkeypatch.context() as patch:
        patch.setattr("datavision.fargate.operator.operator.wait_in_worker", broken)
        with pytest.raises(OSError, match="the disk is full") as raised:
            task.operator().execute(task.context())
    assert FailureTablePolicy().evaluate(raised.value, 1, 2).action is RetryAction.DEFAULT
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1


def test_a_run_belongs_to_its_business_day_and_not_to_the_day_in_utc(airflow: Make) -> None:
    task = airflow("exit 0")
    context = task.context()
    context["dag_run"].run_after = context["dag_run"].run_after.replace(hour=1)  # 22:00 of the day before in Argentina
    task.tries = 1
    task.operator().execute(context)
    (audit,) = task.audits()
    assert audit.run_date.isoformat() == "2026-11-22"


async def test_what_goes_wrong_with_a_log_is_said_once_for_each_cause(airflow: Make) -> None:
    task = airflow("sleep 6")
    task.tries = 1
    task.mode = "triggerer"
    deferral = await asyncio.to_thread(deferred, lambda: task.operator().execute(task.context()))
    said: list[str] = []
    trigger: Any = deferral.trigger
    trigger.log_settings["group"] = ""  # no such name can exist: every read fails
    make = trigger._follower

    def heard(*arguments: Any) -> Follower:
        follower: Follower = make(*arguments)
        follower.warn, follower.pause_seconds = said.append, 0.1
        return follower

    trigger._follower = heard
    async for _ in trigger.run():
        break
    assert len(said) == 1
    assert said[0].startswith("Could not read the container's log (")


def test_a_region_without_a_price_says_what_to_set(platform: Any) -> None:
    ecs: Ecs = platform.config.ecs
    with pytest.raises(ConfigError, match=r"no Fargate price for X86_64 in sa-east-1.*\[ecs.price\]"):
        price_in("sa-east-1", ecs)
    own = Ecs.model_validate({**ecs.model_dump(), "price": {"cpu_hour": 1, "gb_hour": 0.5, "spot_factor": 0.4}})
    assert cost_usd(FargateSize(1024, 2048), 3600, price_in("sa-east-1", own), spot=True) == pytest.approx(0.8)
