"""What `fargate_session` declares and refuses when a DAG is parsed, and how a step looks to the rest."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.orchestration.conftest import DIGEST, Parse
from tests.orchestration.test_fargate_decorator import only_error

from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.operator.session import session_of
from datavision.fargate.outcome.classify import Outcome, classify
from datavision.fargate.outcome.results import BadDelivery, Delivery
from datavision.fargate.sharing.session import Session
from datavision.fargate.sharing.step import as_task

IMPORT = "from datavision.fargate import fargate_session\n"
TASK = """
    @task.fargate({arguments})
    def {name}() -> list[str]:
        return ["true"]
"""


def body(opening: str, *names: str, arguments: str = "", wiring: str = "") -> str:
    tasks = "".join(TASK.format(name=name, arguments=arguments) for name in names)
    return f"{IMPORT}with {opening}:\n{tasks}\n{wiring or '; '.join(f'{name}()' for name in names)}"


def test_the_tasks_of_a_block_have_its_module_and_are_steps_of_one_session(parse: Parse) -> None:
    wiring = "a() >> [b(), c()]"
    bag = parse(body('fargate_session(module="ingesta", size="medium")', "a", "b", "c", wiring=wiring))
    assert bag.import_errors == {}
    task = bag.dags["prueba"].get_task("a")
    assert (task.module, task.size) == ("ingesta", "medium")
    assert session_of(task) == Session("ingesta", 60.0, tasks=("a", "b", "c"), ends_after=("b", "c"))


def test_a_task_outside_the_block_has_a_container_of_its_own(parse: Parse) -> None:
    outside = '\n@task.fargate(module="ingesta")\ndef d() -> list[str]:\n    return ["true"]\nd()'
    bag = parse(body('fargate_session(module="ingesta")', "a") + outside)
    assert bag.dags["prueba"].get_task("d").session is None


def test_a_session_whose_last_task_is_mapped_ends_when_it_is_idle(parse: Parse) -> None:
    text = body('fargate_session(module="ingesta")', "a", wiring="pass") + (
        '\nwith fargate_session(module="ingesta", name="otra"):\n    @task.fargate()\n'
        '    def parte(n: int) -> list[str]:\n        return ["true"]\nparte.expand(n=[1, 2])'
    )
    bag = parse(text)
    assert bag.import_errors == {}
    mapped = bag.dags["prueba"].get_task("parte")

    class Instance:
        session = mapped.partial_kwargs["session"]
        dag = bag.dags["prueba"]

        @staticmethod
        def has_dag() -> bool:
            return True

    assert session_of(Instance()) == Session("otra", 60.0, tasks=("parte",), ends_after=())


@pytest.mark.parametrize(
    ("opening", "arguments", "sentence"),
    [
        ('fargate_session(module="ingesta")', 'module="transformacion"', "cannot run in the containers of 'ingesta'"),
        ('fargate_session(module="ingesta")', 'size="medium"', "share size. Give it to the session"),
        ('fargate_session(module="ingesta"), fargate_session(module="ingesta")', "", "cannot be opened inside another"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_next_step(
    parse: Parse, opening: str, arguments: str, sentence: str
) -> None:
    assert sentence in only_error(parse(body(opening, "a", arguments=arguments)))


CONTAINER = {
    "taskArn": "arn:task/1",
    "lastStatus": "RUNNING",
    "desiredStatus": "RUNNING",
    "containers": [{"name": "ingesta", "imageDigest": DIGEST}],
}


def report(code: int, ended_by: str | None = None) -> Delivery:
    moment = datetime(2026, 11, 30, tzinfo=UTC)
    return Delivery(
        exit_code=code, wall_seconds=1, cpu_seconds=1, peak_memory_bytes=1, bytes_written=0, started_at=moment,
        finished_at=moment, billed_seconds=12.5, ended_by=ended_by,
    )  # fmt: skip


def outcome(container: Any, delivered: Any) -> Outcome | None:
    task = as_task(container, delivered, "ingesta")
    return classify(task, "ingesta", DIGEST).outcome if task and task["lastStatus"] == "STOPPED" else None


def stopped(**more: Any) -> dict[str, Any]:
    inside = [{"name": "ingesta", "imageDigest": DIGEST, "exitCode": more.pop("code", 137), **more.pop("inside", {})}]
    return {**CONTAINER, "lastStatus": "STOPPED", "containers": inside, **more}


def test_a_step_without_a_report_runs_as_long_as_its_container() -> None:
    assert outcome(CONTAINER, None) is None
    assert as_task(None, None, "ingesta") is None


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        (report(0), Outcome.SUCCESS),
        (report(1), Outcome.BUSINESS),
        (report(2), Outcome.USAGE),
        (report(3), Outcome.QUALITY),
        (report(137, "OutOfMemoryError: together"), Outcome.MEMORY),
        (report(143, StopReason.TIMEOUT.value), Outcome.TIMEOUT),
        (report(143, StopReason.KILLED.value), Outcome.KILLED),
        (BadDelivery("not JSON"), Outcome.BUSINESS),
    ],
)
@pytest.mark.parametrize("container", [CONTAINER, stopped(), None])
def test_a_report_decides_whatever_became_of_the_container(container: Any, delivered: Any, expected: Outcome) -> None:
    assert outcome(container, delivered) is expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (stopped(stopCode="SpotInterruption", stoppedReason="x"), Outcome.SPOT),
        (stopped(stopCode="EssentialContainerExited", inside={"reason": "OutOfMemoryError: killed"}), Outcome.MEMORY),
        (stopped(stopCode="EssentialContainerExited", code=0), Outcome.FAILED_START),
        (stopped(stopCode="TaskFailedToStart", stoppedReason="CannotPullContainerError: not found"),
         Outcome.PERMANENT_START),
        (stopped(stopCode="UserInitiated", stoppedReason="by hand"), Outcome.STOPPED),
    ],
)  # fmt: skip
def test_without_a_report_a_step_ended_as_its_container_did_and_never_well(container: Any, expected: Outcome) -> None:
    assert outcome(container, None) is expected


def test_a_step_pays_its_share() -> None:
    assert (as_task(CONTAINER, report(0), "ingesta") or {})["billedSeconds"] == 12.5
