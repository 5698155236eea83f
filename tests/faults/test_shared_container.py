"""Steps of a shared container: one container, exactly once each, through every kill; no step takes another with it."""

import asyncio
import pkgutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.faults.conftest import Airflow, Inject
from tests.faults.test_takeover import Killed, killing

from datavision.aws import client
from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Waiting
from datavision.fargate.edge.logs import LogStream, read_on
from datavision.fargate.identity import TaskKey
from datavision.fargate.launching.record import read_launch
from datavision.fargate.outcome import errors
from datavision.idle import record_idle
from datavision.spending import total

RESULT = "python -c 'from datavision_runtime import write_result; write_result({\"rows\": 7})'"
STEPS = ("uno", "dos", "tres")


@pytest.fixture
def session(airflow: Callable[..., Airflow], request: pytest.FixtureRequest) -> Callable[..., Airflow]:
    """Make the steps of one session in one run."""
    run_id = f"{request.node.name}-{time.time_ns()}"

    def make(name: str, script: str, retries: int = 3, steps: tuple[str, ...] = STEPS, **changes: Any) -> Airflow:
        key = TaskKey("local", "pipeline_suscripciones", run_id, name)
        return replace(airflow(script, "shared", retries, key=key, **changes), steps=steps)

    return make


def count(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def ended(platform: Any, arn: str) -> dict[str, Any]:
    def described() -> Any:
        return platform.ecs.describe_tasks(cluster=platform.config.ecs.cluster, tasks=[arn])["tasks"][0]

    wait_for(lambda: described()["lastStatus"] == "STOPPED", 60)
    found: dict[str, Any] = described()
    return found


def kill_containers(run_id: str) -> None:
    """Kill the first process of the run's shared containers, as the kernel would."""
    for process in psutil.process_iter():
        try:
            if f"/{run_id}/" in process.environ().get("DATAVISION_SHARED", ""):
                process.kill()
        except psutil.Error:
            continue


def test_the_steps_of_a_session_share_one_container_which_ends_after_the_last(
    session: Callable[..., Airflow], platform: Any
) -> None:
    tasks = [session(name, f"echo this is {name}; {RESULT}") for name in STEPS]
    done = [task.run() for task in tasks]
    assert tasks[0].launches() == 1
    assert [item.xcom["rows"] for item in done] == [7, 7, 7]
    for name, task in zip(STEPS, tasks, strict=True):
        launch = read_launch(task.store)
        assert launch
        assert launch.step
        stream = LogStream(launch.step["log_group"], launch.step["log_stream"])
        assert read_on(platform.cloud, stream, None)[0] == [f"this is {name}"]
    container = ended(platform, str(done[0].audit.task_arn))
    assert container["containers"][0]["exitCode"] == 0
    assert {item.audit.shared for item in done} == {"compartido/1"}


def test_what_the_steps_cost_is_what_their_container_costs(session: Callable[..., Airflow], platform: Any) -> None:
    done = [session(name, "sleep 0.5; exit 0").run() for name in STEPS]
    container = ended(platform, str(done[0].audit.task_arn))
    lived = (container["executionStoppedAt"] - container["pullStartedAt"]).total_seconds()
    seconds = sum(item.audit.seconds or 0.0 for item in done)
    assert seconds == pytest.approx(max(60.0, lived), abs=5.0), "Fargate's minute, however short the steps"
    price = 0.25 * 0.04048 + 0.5 * 0.004445
    assert sum(item.audit.cost_usd or 0.0 for item in done) == pytest.approx(seconds / 3600 * price, rel=0.01)


def test_what_a_container_costs_without_a_step_after_a_failed_one_is_in_a_record_of_its_own(
    session: Callable[..., Airflow], platform: Any
) -> None:
    task = session("uno", "exit 2")
    with pytest.raises(errors.UsageError):
        task.run()
    (step,) = task.audits()
    container = ended(platform, str(step.task_arn))
    written = [item for item in record_idle(platform.config) if item.task_arn == step.task_arn]
    assert record_idle(platform.config) == [], "once"
    (idle,) = written
    lived = (container["stoppedAt"] - container["pullStartedAt"]).total_seconds()
    assert (idle.outcome, idle.shared, idle.task_id) == ("idle", "compartido/1", "compartido-sin-pasos")
    assert (idle.seconds or 0) + (step.seconds or 0) == pytest.approx(max(60.0, lived), abs=0.1)
    price = 0.25 * 0.04048 + 0.5 * 0.004445
    assert idle.cost_usd == pytest.approx((idle.seconds or 0) / 3600 * price, rel=0.01)
    assert [item.outcome for item in task.audits()].count("idle") == 1
    sums = total("run", task.audits())
    assert (sums.launches, sums.failed) == (1, 1)
    assert sums.wasted_usd == sums.cost_usd == pytest.approx((idle.cost_usd or 0) + (step.cost_usd or 0))


def test_a_container_that_died_before_its_first_step_came_is_recorded_by_what_it_cost(
    session: Callable[..., Airflow], platform: Any
) -> None:
    task, path = session("uno", RESULT), "datavision.fargate.sharing.inbox.Inbox.start"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, killing(pkgutil.resolve_name(path), 1, before=True))
        with pytest.raises(Killed):
            task.run()
    (lost,) = platform.running()

    def died() -> bool:
        kill_containers(task.job.key.run_id)
        return lost not in platform.running()

    wait_for(died, 60)
    container = ended(platform, lost)
    assert task.run().xcom["rows"] == 7
    (record,) = [item for item in record_idle(platform.config) if item.task_arn == lost]
    assert (record.outcome, record.shared, record.run_id) == ("idle", "compartido/1", task.job.key.run_id)
    lived = (container["stoppedAt"] - container["pullStartedAt"]).total_seconds()
    assert record.seconds == pytest.approx(max(60.0, lived), abs=0.1)
    assert (record.cpu, record.memory) == (int(container["cpu"]), int(container["memory"]))


def test_steps_that_the_dag_runs_side_by_side_run_so_in_one_container(
    session: Callable[..., Airflow], tmp_path: Path
) -> None:
    """Each step ends only once it has seen the two others."""
    meet = f"until [ $(ls {tmp_path} | wc -l) = 3 ]; do sleep 0.1; done"
    tasks = [session(name, f"touch {tmp_path}/{name}; {meet}; {RESULT}", execution_timeout=60.0) for name in STEPS]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda task: task.run(), tasks))
    assert {item.audit.task_arn for item in done} == {done[0].audit.task_arn}
    assert tasks[0].launches() == 1


MOMENTS = {
    "as the container is planned": ("sharing.container.create_json", 1, True),
    "after the container was planned": ("sharing.container.create_json", 1, False),
    "as RunTask is called": ("attempt.step_launcher.run_task", 1, True),
    "before RunTask's answer arrives": ("attempt.step_launcher.run_task", 1, False),
    "before the ARN is stored": ("sharing.container.write_json", 1, True),
    "as the step is posted": ("sharing.inbox.create_json", 1, True),
    "after the step was posted": ("sharing.inbox.create_json", 1, False),
    "before the launch is stored": ("launching.record.write_launch", 2, True),
    "after the launch is stored": ("launching.record.write_launch", 2, False),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_at_any_moment_leaves_a_step_that_runs_once_in_one_container(
    session: Callable[..., Airflow], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moment: str
) -> None:
    task = session("uno", f"echo >> {tmp_path}/times; sleep 1; {RESULT}")
    function, call, before = MOMENTS[moment]
    path = f"datavision.fargate.{function}"
    with monkeypatch.context() as patch:
        patch.setattr(path, killing(pkgutil.resolve_name(path), call, before=before))
        with pytest.raises(Killed):
            task.run()
    assert task.run().xcom["rows"] == 7
    assert (count(tmp_path / "times"), task.launches(), task.tries) == (1, 1, 2)


def test_a_step_that_ended_while_nobody_looked_is_not_repeated_in_another_container(
    session: Callable[..., Airflow], monkeypatch: pytest.MonkeyPatch, platform: Any, tmp_path: Path
) -> None:
    task = session("uno", f"echo >> {tmp_path}/times; {RESULT}", steps=("uno",))
    with monkeypatch.context() as patch:
        path = "datavision.fargate.launching.record.write_launch"
        patch.setattr(path, killing(pkgutil.resolve_name(path), 2, before=True))
        with pytest.raises(Killed):
            task.run()
    wait_for(lambda: not platform.running())
    assert task.run().xcom["rows"] == 7
    assert (count(tmp_path / "times"), task.launches()) == (1, 1)


def test_steps_of_a_lost_container_go_on_in_another_and_finished_ones_stay_finished(
    session: Callable[..., Airflow], tmp_path: Path
) -> None:
    session("uno", f"echo >> {tmp_path}/uno; {RESULT}").run()
    script = "echo >> {0}; test $(wc -l < {0}) = 2 || sleep 60; " + RESULT.replace("{", "{{").replace("}", "}}")
    others = [session(name, script.format(tmp_path / name)) for name in STEPS[1:]]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(task.run) for task in others]
        wait_for(lambda: all(count(tmp_path / name) for name in STEPS[1:]))
        kill_containers(others[0].job.key.run_id)
        done = [run.result(60) for run in runs]
    assert [item.xcom["rows"] for item in done] == [7, 7]
    (shared,) = {item.audit.shared for item in done}
    assert shared != "compartido/1"  # which of the next depends on how soon the first step's own had nothing to do
    assert [count(tmp_path / name) for name in STEPS] == [1, 2, 2]
    assert others[0].tries == 1, "the launch budget pays, not Airflow's tries"


def test_stopping_one_step_leaves_the_other_running(session: Callable[..., Airflow], tmp_path: Path) -> None:
    killed = session("uno", f"touch {tmp_path}/up; sleep 60")
    other = session("dos", "sleep 4; " + RESULT)
    killed.tries = 1
    with ThreadPoolExecutor() as pool:
        run = pool.submit(other.run)
        step = Lifecycle(killed.host()).begin()
        assert isinstance(step, Waiting)
        wait_for((tmp_path / "up").exists)
        operator = killed.operator()
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(killed.context())
        asyncio.run(deferred.value.trigger.on_kill())
        assert [audit.outcome for audit in killed.audits() if audit.task_id == "uno"] == ["stopped by Airflow"]
        assert run.result(60).xcom["rows"] == 7
    assert killed.launches() == 1


def test_a_cleared_step_stops_before_it_runs_anew(session: Callable[..., Airflow], tmp_path: Path) -> None:
    script = f"test -e {tmp_path}/running && touch {tmp_path}/both; touch {tmp_path}/running; "
    script += f"trap 'rm {tmp_path}/running; exit 1' TERM; sleep 2 & wait; rm {tmp_path}/running; {RESULT}"
    task = session("uno", script)
    task.tries = 1
    Lifecycle(task.host()).begin()
    wait_for((tmp_path / "running").exists)
    task.job = replace(task.job, generation=4)
    assert task.run().xcom["rows"] == 7
    assert not (tmp_path / "both").exists()
    assert [audit.outcome for audit in task.audits()] == ["stopped by Airflow", "success"]
    assert task.launches() == 1


def test_a_time_out_ends_the_step_and_not_its_container(session: Callable[..., Airflow], platform: Any) -> None:
    task = session("uno", "sleep 60", execution_timeout=0.5)
    lifecycle = Lifecycle(task.host())
    lifecycle.begin()
    with pytest.raises(errors.TaskTimeoutError, match="longer than its execution_timeout"):
        lifecycle.time_out()
    assert len(platform.running()) == 1
    assert session("dos", RESULT).run().xcom["rows"] == 7
    assert task.launches() == 1


def test_out_of_memory_names_the_step_and_the_next_container_is_larger(
    session: Callable[..., Airflow], tmp_path: Path
) -> None:
    eat = f"python -c 'import time; b = b\"x\" * (600 << 20); time.sleep(1)'; code=$?; {RESULT}; exit $code"
    greedy, other = session("uno", eat), session("dos", "sleep 3; " + RESULT)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda task: task.run(), (greedy, other)))
    assert [item.xcom["rows"] for item in done] == [7, 7]
    assert done[0].audit.memory == 1024
    assert done[0].audit.shared == "compartido/2"
    first = next(audit for audit in greedy.audits() if audit.task_id == "uno")
    assert first.outcome == "out of memory"


def test_a_refused_launch_plans_another_container(session: Callable[..., Airflow], inject: Inject) -> None:
    inject("capacity", times=2)
    task = session("uno", RESULT)
    assert task.run().xcom["rows"] == 7
    assert task.audits()[-1].shared == "compartido/3"
    assert (task.launches(), task.tries) == (1, 1)


def test_a_container_that_does_not_answer_is_stopped(
    session: Callable[..., Airflow], platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datavision.fargate.attempt.lifecycle.STOP_MARGIN_SECONDS", 2)
    monkeypatch.setattr("datavision.fargate.sharing.inbox.Inbox.stop", lambda *_: None)
    task = session("uno", "sleep 60", execution_timeout=0.5)
    lifecycle = Lifecycle(task.host())
    lifecycle.begin()
    with pytest.raises(errors.TaskTimeoutError):
        lifecycle.time_out()
    assert platform.running() == []


@pytest.mark.parametrize("body", [b"not json", b"x" * 60_000])
def test_a_report_that_breaks_the_contract_fails_the_step_instead_of_being_waited_for(
    session: Callable[..., Airflow], platform: Any, body: bytes
) -> None:
    task = session("uno", "sleep 60", retries=0)

    def overwritten(trigger: Any) -> None:
        bucket = platform.config.storage.results_bucket
        client(platform.cloud, "s3").put_object(Bucket=bucket, Key=trigger.step["result_key"], Body=body)

    task.on_deferred = overwritten
    with pytest.raises(errors.BusinessError, match="business failure"):
        task.run()
