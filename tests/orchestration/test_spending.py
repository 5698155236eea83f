"""What containers cost, summed over what people ask for."""

from datetime import date

import pytest
from tests.support.audits import audit

from datavision.spending import By, Spent, spent, total

JULY, AUGUST = date(2026, 7, 1), date(2026, 8, 1)
RECORDS = [
    audit("daily", "a", JULY, 1.0, seconds=3600.0, cost_usd=0.01, cpu=1024, memory=2048),
    audit("daily", "a", JULY, 2.0, seconds=1800.0, cost_usd=0.02, cpu=2048, memory=4096, outcome="oom", task_id="dbt"),
    audit("daily", "b", AUGUST, 3.0, outcome="running", release="2"),
    audit("rfm", "a", AUGUST, 4.0, seconds=60.0, cost_usd=0.04, outcome="lost", release="2"),
]


def test_a_sum_tells_hours_that_were_billed_what_failures_cost_and_what_is_not_known() -> None:
    found = total("all", RECORDS)
    assert (found.runs, found.launches, found.failed, found.unknown) == (3, 4, 2, 1)
    assert (found.cost_usd, found.wasted_usd) == (0.07, 0.06)
    assert found.vcpu_hours == pytest.approx(1 + 1 + 0.25 / 60, abs=1e-6)
    assert found.gb_hours == pytest.approx(2 + 2 + 0.5 / 60, abs=1e-6)
    assert total("none", []) == Spent("none", 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        (By.MONTH, {"2026-07": 0.03, "2026-08": 0.04}),
        (By.PIPELINE, {"daily": 0.03, "rfm": 0.04}),
        (By.TASK, {"daily.ingesta": 0.01, "daily.dbt": 0.02, "rfm.ingesta": 0.04}),
        (By.RUN, {"daily a": 0.03, "daily b": 0, "rfm a": 0.04}),
        (By.RELEASE, {"1": 0.03, "2": 0.04}),
    ],
)
def test_sums_are_taken_over_what_is_asked_for(by: By, sums: dict[str, float]) -> None:
    found = spent(RECORDS, by)
    assert {item.name: item.cost_usd for item in found} == sums
    assert sum(item.launches for item in found) == len(RECORDS)
