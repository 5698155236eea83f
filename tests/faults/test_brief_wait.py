"""What runs at once and usually ends soon is waited for in the worker; all else is deferred."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faults.conftest import Airflow, Inject
from tests.faults.test_takeover import Killed, killing

from datavision.fargate.attempt.step_launcher import StepLauncher
from datavision.fargate.outcome import errors
from datavision.fargate.waiting.in_worker import wait_briefly

RESULT = "python -c 'from datavision_runtime import write_result; write_result({\"rows\": 7})'"
LONG_ENOUGH = "60"
"""Seconds, however busy the machine is."""
Briefly = Callable[..., tuple[Airflow, list[Any]]]


@pytest.fixture
def briefly(
    airflow: Callable[..., Airflow], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Briefly:
    """Make a deferrable task with a history of its own; also returns the triggers that it was given to."""

    def make(
        script: str, mode: str = "shared", seconds: str = LONG_ENOUGH, **changes: Any
    ) -> tuple[Airflow, list[Any]]:
        monkeypatch.setenv("DATAVISION_ECS__WAIT__WORKER_SECONDS", seconds)
        deferrals: list[Any] = []
        made = airflow(script, mode, **changes)
        key = replace(made.job.key, task_id=f"t{abs(hash(request.node.name))}")
        made.job = replace(made.job, key=key)
        steps = (key.task_id,) if mode == "shared" else ()
        return replace(made, steps=steps, on_deferred=deferrals.append), deferrals

    return make


def test_a_short_step_is_never_deferred_and_its_log_is_whole(briefly: Briefly) -> None:
    task, deferrals = briefly(f"echo one; sleep 0.3; echo two; {RESULT}")
    assert task.run().xcom["rows"] == 7
    assert deferrals == []
    assert [line for line in task.said if line in ("one", "two")] == ["one", "two"]


def test_a_step_that_takes_longer_is_deferred_and_its_lines_are_shown_once(
    briefly: Briefly, capsys: pytest.CaptureFixture[str]
) -> None:
    task, deferrals = briefly(f"echo one; sleep 4; echo two; {RESULT}", seconds="1")
    assert task.run().xcom["rows"] == 7
    assert len(deferrals) == 1
    shown = capsys.readouterr().out.split() + task.said
    assert (shown.count("one"), shown.count("two")) == (1, 1)


def test_a_container_that_does_not_run_at_once_keeps_no_worker(briefly: Briefly, inject: Inject) -> None:
    inject("stuck", state="PENDING", seconds=8, times=1)
    task, deferrals = briefly(RESULT)
    assert task.run().xcom["rows"] == 7
    assert len(deferrals) == 1


def test_a_container_of_its_own_is_waited_for_once_it_is_known_to_be_short(briefly: Briefly) -> None:
    first, deferrals = briefly(RESULT, "triggerer")
    first.run()
    assert len(deferrals) == 1, "nothing was known of it"
    again = replace(first, store=type(first.store)(), tries=0)
    again.job = replace(first.job, key=replace(first.job.key, run_id=f"{first.job.key.run_id}-again"))
    assert again.run().xcom["rows"] == 7
    assert len(deferrals) == 1


def test_what_usually_takes_longer_is_deferred_at_once(briefly: Briefly, monkeypatch: pytest.MonkeyPatch) -> None:
    first, deferrals = briefly(f"sleep 2; {RESULT}")
    first.run()
    assert deferrals == []
    monkeypatch.setenv("DATAVISION_ECS__WAIT__WORKER_SECONDS", "1")
    monkeypatch.setattr("datavision.fargate.operator.operator.wait_briefly", pytest.fail)
    again = replace(first, store=type(first.store)(), tries=0)
    again.job = replace(first.job, key=replace(first.job.key, run_id=f"{first.job.key.run_id}-again"))
    assert again.run().xcom["rows"] == 7
    assert len(deferrals) == 1


def test_an_api_that_fails_leaves_the_wait_to_the_triggerer() -> None:
    def failing() -> Any:
        raise ClientError({"Error": {"Code": "ServerException"}}, "DescribeTasks")

    assert wait_briefly(failing, failing, float(LONG_ENOUGH)) is None
    assert wait_briefly(lambda: {"lastStatus": "RUNNING"}, failing, float(LONG_ENOUGH)) is None


def test_a_step_that_fails_while_a_worker_waits_is_retried_as_any(briefly: Briefly) -> None:
    task, deferrals = briefly("echo broken; exit 1", retries=1)
    with pytest.raises(errors.BusinessError, match="broken"):
        task.run()
    assert (task.tries, deferrals) == (2, [])


def test_a_worker_killed_while_it_waits_leaves_a_step_that_the_retry_attaches_to(
    briefly: Briefly, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, _ = briefly(f"sleep 1; {RESULT}")
    with monkeypatch.context() as patch:
        killed = killing(StepLauncher.has_ended, 1, before=True)
        patch.setattr(StepLauncher, "has_ended", lambda launcher, launch: killed(launcher, launch))
        task.tries = 1
        with pytest.raises(Killed):
            task.one_try()
    assert task.run().xcom["rows"] == 7
    assert task.launches() == 1
    assert [item.outcome for item in task.audits()] == ["success"]
