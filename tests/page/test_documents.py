"""What the page says about runs, from audit records, pins and Airflow's rows."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from datavision.fargate.outcome.audit import AuditRecord
from datavision.page import documents
from datavision.page.model import Pipeline, Run, Task
from datavision.page.places import Summaries
from datavision.release.diff import Diff

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
MIB = 2**20


def record(**changed: Any) -> AuditRecord:
    found: dict[str, Any] = {
        "env": "dev",
        "pipeline": "pipeline_suscripciones",
        "run_id": "scheduled__1",
        "run_date": date(2026, 11, 25),
        "task_id": "ingesta",
        "map_index": -1,
        "try_number": 1,
        "launch": 1,
        "module": "ingesta",
        "command": ["ingesta"],
        "release": "1.2.0",
        "image": f"datavision/ingesta@{DIGEST}",
        "tag": "1.2.0",
        "digest": DIGEST,
        "reported_digest": DIGEST,
        "task_definition": "datavision-dev-ingesta:7",
        "task_arn": "arn",
        "cpu": 1024,
        "memory": 4096,
        "why_size": "declared",
        "capacity": "FARGATE",
        "subnet": "subnet-1",
        "outcome": "success",
        "stop_code": "",
        "reason": "Essential container in task exited",
        "exit_code": 0,
        "launched_at": 1000.0,
        "started_at": 1030.0,
        "stopped_at": 1090.0,
        "seconds": 75.0,
        "cost_usd": 0.0125,
        "measured": {"peak_memory_bytes": 1000 * MIB},
        "result": None,
        **changed,
    }
    return AuditRecord.model_validate(found)


def a_run(number: int = 1, state: str = "success", **changed: Any) -> Run:
    end = None if state == "running" else NOW
    values = {"queued": NOW, "start": NOW, "asked_release": None, "bundle_version": "c", "user": None, **changed}
    return Run("pipeline_suscripciones", f"run-{number}", state, "scheduled", NOW, end=end, **values)


def a_task(**changed: Any) -> Task:
    values: dict[str, Any] = {"queued": datetime.fromtimestamp(995, UTC), "start": NOW, "end": NOW, **changed}
    return Task("ingesta", -1, "success", 1, **values)


def test_the_phases_of_a_launch_follow_each_other_from_the_queue_to_the_stop() -> None:
    phases = documents.launch(record(), a_task())["phases"]
    assert [(phase["name"], phase["seconds"]) for phase in phases] == [
        ("queued", 5),
        ("launching", 15),
        ("pulling", 15),
        ("running", 60),
    ]


def test_a_launch_that_has_not_stopped_has_the_phases_that_are_over() -> None:
    running = record(outcome="running", started_at=None, stopped_at=None, seconds=None)
    assert [phase["name"] for phase in documents.phases(running, None)] == []
    assert documents.launch(running)["reason"] == ""


def test_only_the_first_container_of_a_task_came_from_its_queue() -> None:
    shown = documents.task(a_task(), [record(launch=1), record(launch=2)])["launches"]
    assert [launch["phases"][0]["name"] for launch in shown] == ["queued", "launching"]


def test_a_run_counts_each_task_once_and_pays_for_every_container() -> None:
    failed = record(outcome="failed", cost_usd=0.01, result={"tests": 2, "tests_failed": [{"name": "x", "rows": 3}]})
    loaded = {"tables": {"accounts": {"inserted": 5, "updated": 2, "deleted": 1}}, "loaded_at": "2026-11-25T12:14:00Z"}
    dbt = {"rows": {"fact_rfm": 40}, "tests": 10, "tests_failed": [{"name": "unique_id", "rows": 2}]}
    summary = documents.run_summary(
        [failed, record(try_number=2, result=loaded), record(task_id="rfm", cost_usd=None, result=dbt)]
    )
    assert (summary["cost"], summary["launches"]) == (0.0225, 3)
    assert summary["rows"] == {"accounts": 8, "fact_rfm": 40}
    failing = {"name": "unique_id", "rows": 2, "sample": [], "task": "rfm"}
    assert (summary["tests"], summary["failures"], summary["failed"]) == (10, 1, [failing])
    assert summary["checked"] == ["rfm"]
    assert summary["loaded_at"] == "2026-11-25T12:14:00Z"


def test_a_run_of_which_nothing_is_known_cost_nothing_that_is_known() -> None:
    assert documents.run_summary([record(cost_usd=None)])["cost"] is None


def test_findings_of_the_quality_gate_count_as_tests() -> None:
    finding = {"table": "accounts", "check": "freshness", "count": 94}
    quality = [{**finding, "outcome": "error"}, {**finding, "outcome": "ok"}]
    assert documents.checks({"quality": quality}) == {
        "passed": 1,
        "failed": [{"name": "accounts.freshness", "rows": 94, "sample": []}],
        "warned": [],
    }


def checked(*, failed: int = 0, warned: int = 0) -> dict[str, Any]:
    named = {"name": "unique_id", "sample": ["7"]}
    result: dict[str, Any] = {"tests": 5}
    for level, rows in (("failed", failed), ("warned", warned)):
        result[f"tests_{level}"] = [{**named, "rows": rows}] if rows else []
    return documents.run_summary([record(task_id="marts", result=result)])


def test_the_trend_of_a_check_tells_what_passed_from_what_was_not_looked_at() -> None:
    runs = [checked(), checked(failed=3), documents.run_summary([record()]), checked(warned=1)]
    assert documents.trend(runs) == [
        {
            "name": "unique_id",
            "task": "marts",
            "sample": ["7"],
            "levels": ["ok", "fail", None, "warn"],
            "rows": [0, 3, None, 1],
        }
    ]
    assert documents.trend([checked()] * 3) == []


def test_a_trend_is_small_however_much_fails() -> None:
    many = [{"name": f"not_null_stg_subscription_payments_{n}", "rows": n, "sample": ["x" * 80] * 5} for n in range(50)]
    summary = documents.run_summary([record(result={"tests": 99, "tests_failed": many})])
    assert len(json.dumps([documents.trend([summary] * 30), [documents.brief(summary)] * 30])) < 50_000


@pytest.mark.parametrize(("peak", "better"), [(300, 2048), (2000, None), (3900, 6144)])
def test_a_size_that_does_not_fit_the_last_runs_gets_advice(peak: int, better: int | None) -> None:
    one = documents.run_summary([record(measured={"peak_memory_bytes": peak * MIB})])
    found = documents.advice([one] * 3)
    assert (found["ingesta"]["better"] if found else None) == better
    assert documents.advice([one] * 2) == {}


def test_a_run_that_was_not_created_is_late_before_one_that_is_not_done() -> None:
    due = NOW - timedelta(hours=1)
    late = Pipeline("pipeline_suscripciones", False, "Every day", due, overdue=True)
    assert documents.late(late, NOW) == {"since": due.isoformat(), "why": "not_created"}
    on_time = Pipeline("pipeline_suscripciones", False, "Every day", NOW, overdue=False)
    assert documents.late(on_time, NOW) == {"since": NOW.isoformat(), "why": "not_done"}
    assert documents.late(on_time, None) is None


@pytest.mark.parametrize(("after", "current", "back"), [("1.9.0", "1.10.0", True), ("1.10.0", "1.9.0", False)])
def test_a_difference_knows_the_way_back_by_number_and_not_by_text(after: str, current: str, back: bool) -> None:
    found = Diff("pipeline_fact_rfm", current, after, {}, {}, {}, {})
    assert documents.difference(found, current)["back"] is back


def test_a_run_that_has_ended_is_read_once_and_one_under_way_again() -> None:
    read: list[str] = []

    def launches(_config: Any, run: Run) -> list[AuditRecord]:
        read.append(run.run_id)
        return [record(run_id=run.run_id)]

    summaries = Summaries(launches)
    for _ in range(2):
        summaries.of(None, [a_run(1), a_run(2, "running")])  # type: ignore[arg-type]  # the reader takes any
    assert sorted(read) == ["run-1", "run-2", "run-2"]
