"""What a shared container costs beside its steps, from what ECS and its records say."""

from datetime import date
from typing import Any

import pytest
from tests.support.audits import audit

from datavision.config import Price
from datavision.fargate.outcome.audit import AuditRecord
from datavision.idle import idle_record

PRICE = Price(cpu_hour=0.04, gb_hour=0.004)
TASK = {"taskArn": "arn", "pullStartedAt": 1_000.0, "startedAt": 1_010.0, "stoppedAt": 1_300.0}


def step(seconds: float | None, **more: Any) -> AuditRecord:
    about = {
        "shared": "transformacion/3",
        "price": PRICE,
        "seconds": seconds,
        "task_arn": "arn",
        "stopped_at": 1_100.0,
        "capacity": "on-demand",
    }
    return audit("p", "r", date(2026, 11, 30), 1_000.0, **{**about, **more})


def test_it_is_what_the_container_lived_less_what_its_steps_pay() -> None:
    found = idle_record(TASK, [step(100.0), step(50.0, task_id="marts", outcome="failed")])
    assert found
    assert (found.seconds, found.outcome, found.launch) == (150.0, "idle", 3)
    assert found.key.label == "transformacion-sin-pasos"
    assert found.cost_usd == pytest.approx((0.25 * 0.04 + 0.5 * 0.004) * 150 / 3600, abs=1e-6)
    assert (found.command, found.result, found.measured) == ([], None, None)


def test_a_container_that_lived_for_seconds_is_billed_for_a_minute() -> None:
    found = idle_record({**TASK, "stoppedAt": 1_005.0}, [step(5.0)])
    assert found
    assert found.seconds == 55.0


@pytest.mark.parametrize(
    "records",
    [
        [],
        [step(300.0)],
        [step(100.0), step(None, outcome="running")],
        [step(100.0), step(200.0, outcome="idle")],
        [step(100.0, price=None)],
    ],
    ids=["no steps", "nothing left", "a step whose end is not known", "recorded", "no price"],
)
def test_nothing_is_recorded_where_nothing_is_left_or_known(records: list[AuditRecord]) -> None:
    assert idle_record(TASK, records) is None


def test_a_container_without_steps_is_idle_for_all_that_it_lived() -> None:
    found = idle_record(TASK, [], step(100.0, shared="transformacion/4"))
    assert found
    assert (found.seconds, found.launch, found.outcome) == (300.0, 4, "idle")


def test_a_container_that_has_not_stopped_is_not_over() -> None:
    assert idle_record({"taskArn": "arn", "pullStartedAt": 1_000.0}, [step(100.0)]) is None
