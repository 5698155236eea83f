"""Waiting in the triggerer: one loop for all, logs that go on where they were, kills that reach the container."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import fired

from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Waiting
from datavision.fargate.edge.logs import LogStream, read_on, read_position
from datavision.fargate.operator.trigger import FargateTrigger
from datavision.fargate.waiting.poll_loop import PollLoop, poll_loop

Make = Callable[..., Any]


def triggers(task: Any, count: int) -> list[FargateTrigger]:
    found = []
    for index in range(count):
        host = task.host(key=replace(task.job.key, map_index=index))
        step = Lifecycle(replace(host, store=type(task.store)())).begin()
        assert isinstance(step, Waiting)
        found.append(FargateTrigger.of(host, step))
    return found


def test_a_trigger_travels_through_its_arguments(airflow: Make) -> None:
    (trigger,) = triggers(airflow("exit 0"), 1)
    path, arguments = trigger.serialize()
    assert path == "datavision.fargate.operator.trigger.FargateTrigger"
    assert FargateTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.slow
async def test_many_tasks_are_one_poll_loop_that_asks_for_all_in_one_call(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0
    tell = PollLoop._tell

    async def counted(*arguments: Any) -> None:
        nonlocal told
        told += 1
        await tell(*arguments)

    monkeypatch.setattr(PollLoop, "_tell", counted)
    task = airflow("sleep 3")
    waiting = await asyncio.to_thread(triggers, task, 25)
    loop = poll_loop(platform.cloud, platform.config.ecs.cluster, 10, 30)
    before = loop.calls
    payloads = await asyncio.gather(*(fired(trigger) for trigger in waiting))
    assert all(payload["task"]["containers"][0]["exitCode"] == 0 for payload in payloads)
    assert told / (loop.calls - before) > 5, "answers about tasks for each call"


async def test_errors_of_the_api_only_cost_time(airflow: Make, platform: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATAVISION_ECS__WAIT__BACKOFF_MAX_SECONDS", "0.2")
    platform.fargate.add_fault("access-denied", action="DescribeTasks", times=2)
    platform.fargate.add_fault("server-error", action="DescribeTasks", after=2, times=4)
    (trigger,) = await asyncio.to_thread(triggers, airflow("exit 0"), 1)
    payload = await fired(trigger)
    assert payload["task"]["lastStatus"] == "STOPPED"


async def test_a_triggerer_away_for_longer_than_the_task_still_gets_its_end_and_log(
    airflow: Make, platform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task = airflow("echo said while nobody listened")
    (trigger,) = await asyncio.to_thread(triggers, task, 1)
    while platform.running():  # noqa: ASYNC110 - the cloud has no event for it
        await asyncio.sleep(0.2)
    payload = await fired(trigger)
    assert payload["task"]["stopCode"] == "EssentialContainerExited"
    saved = read_position(platform.cloud, trigger.results_bucket, trigger.position_key)
    stream = LogStream(trigger.log_settings["group"], trigger.log_settings["stream"])
    rest, _ = await asyncio.to_thread(read_on, platform.cloud, stream, payload["log_position"] or saved)
    shown = capsys.readouterr().out.splitlines() + rest
    assert sum("said while nobody listened" in line for line in shown) == 1


async def test_a_restarted_triggerer_goes_on_where_the_log_was(
    airflow: Make, platform: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DATAVISION_OBSERVABILITY__FORWARD_SAVE_SECONDS", "0.1")
    monkeypatch.setenv("DATAVISION_OBSERVABILITY__FORWARD_SECONDS", "0.2")
    go = tmp_path / "go"
    task = airflow(f"echo first part; until [ -e {go} ]; do sleep 0.1; done; echo second part; sleep 2")
    (trigger,) = await asyncio.to_thread(triggers, task, 1)
    killed = asyncio.create_task(fired(trigger))
    while "first part" not in capsys.readouterr().out:  # noqa: ASYNC110 - what is printed sets no event
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    go.touch()
    arguments = trigger.serialize()[1]
    payload = await fired(FargateTrigger(**arguments))
    # What the restarted triggerer had no time for, the worker shows after it.
    position = payload["log_position"] or read_position(
        platform.cloud, arguments["results_bucket"], arguments["position_key"]
    )
    stream = LogStream(arguments["log"]["group"], arguments["log"]["stream"])
    rest, _ = await asyncio.to_thread(read_on, platform.cloud, stream, position)
    shown = capsys.readouterr().out + "\n".join(rest)
    assert "first part" not in shown
    assert shown.count("second part") == 1


async def test_clearing_or_failing_a_deferred_task_stops_its_container_and_accounts_for_it(
    airflow: Make, platform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task = airflow("trap 'echo last words; exit 143' TERM; echo up; sleep 60 & wait")
    (trigger,) = await asyncio.to_thread(triggers, task, 1)
    waiting = asyncio.create_task(fired(trigger))
    while "up" not in capsys.readouterr().out.split():  # noqa: ASYNC110 - what is printed sets no event
        await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await trigger.on_kill()
    assert platform.running() == []
    assert "last words" in capsys.readouterr().out
    (audit,) = [found for found in platform.audits("pipeline_suscripciones") if found.run_id == task.job.key.run_id]
    assert (audit.outcome, audit.map_index) == ("stopped by Airflow", 0)
    assert audit.seconds > 0


async def test_a_cancelled_trigger_leaves_the_poll_loop(airflow: Make, platform: Any) -> None:
    (trigger,) = await asyncio.to_thread(triggers, airflow("sleep 60"), 1)
    waiting = asyncio.create_task(fired(trigger))
    name = f"ecs-poll-{platform.config.ecs.cluster}"

    def polling() -> bool:
        return any(task.get_name() == name for task in asyncio.all_tasks())

    async with asyncio.timeout(30):
        while not polling():  # noqa: ASYNC110 - a task that begins sets no event
            await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        while polling():  # noqa: ASYNC110 - a task that ends sets no event
            await asyncio.sleep(0.1)
