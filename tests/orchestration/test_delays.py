"""What takes much longer than usual is told once, and so is a green run that found nothing new at the source."""

import email
import email.policy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from tests.support.audits import audit
from tests.support.cloud_in_process import cloud_in_process

from datavision.alerts import tell_delays
from datavision.alerts.delays import Slow, slow, stale
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import AuditRecord, write_audit
from datavision.local.mail import Mailbox
from datavision.mail import plain_connection

PIPELINE = "pipeline_suscripciones"
NOON = datetime(2026, 11, 30, 15, tzinfo=UTC)
MINUTE = 60.0


@pytest.fixture
def config(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    with cloud_in_process(repository) as found:
        monkeypatch.setattr("datavision.alerts.delayed.configuration.load", lambda: found)
        yield found


def launch(days_ago: int, task: str, begin: float, minutes: float | None, **more: Any) -> AuditRecord:
    """A launch `begin` minutes after noon of a day that took so many minutes; None: it runs still."""
    at = (NOON - timedelta(days=days_ago)).timestamp() + begin * MINUTE
    ended: dict[str, Any] = {"outcome": "running"} if minutes is None else {"stopped_at": at + minutes * MINUTE}
    day = day_of(NOON) - timedelta(days=days_ago)
    return audit(PIPELINE, f"run-{days_ago}", day, at, **{"task_id": task, **ended, **more})


def history(days: int = 4, first: float = 10, second: float = 20) -> list[AuditRecord]:
    return [
        launch(day, task, begin, minutes)
        for day in range(days, 0, -1)
        for task, begin, minutes in (("ingesta", 0, first), ("marts", first, second))
    ]


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def found(records: list[AuditRecord], minutes: float, config: Config) -> list[str]:
    return [item.name for item in slow(records, after(minutes), config.alerts)]


def test_a_task_that_takes_twice_as_long_as_usual_is_slow_and_its_run_is_not_told_for_it(config: Config) -> None:
    running = [*history(), launch(0, "ingesta", 0, None)]
    assert found(running, 20, config) == []
    (told,) = slow(running, after(61), config.alerts)
    assert told == Slow(PIPELINE, "run-0", "ingesta", 61 * MINUTE, 10 * MINUTE, 4)


def test_a_run_is_slow_when_no_single_task_of_it_is(config: Config) -> None:
    running = [*history(), launch(0, "ingesta", 0, 15), launch(0, "marts", 45, None)]
    assert found(running, 60, config) == []
    assert found(running, 61, config) == [PIPELINE]


def test_what_is_usual_needs_three_successes_and_counts_the_last_ten(config: Config) -> None:
    running = launch(0, "ingesta", 0, None)
    assert found([*history(2), running], 600, config) == []
    failures = [launch(day, "ingesta", 0, 1, outcome="failed") for day in (3, 2, 1)]
    assert found([*failures, running], 600, config) == []
    long_ago = [launch(day, "ingesta", 0, 500) for day in range(25, 10, -1)]
    (told,) = slow([*long_ago, *history(10), running], after(61), config.alerts)
    assert (told.usual, told.of) == (10 * MINUTE, 10)


def test_nothing_is_slow_below_the_floor(config: Config) -> None:
    quick = [*history(first=1, second=1), launch(0, "ingesta", 0, None)]
    assert found(quick, 10, config) == []
    assert found(quick, 11, config) == [f"{PIPELINE}.ingesta"]


def load(day: str, *newest: str) -> AuditRecord:
    quality = [{"table": f"t{n}", "check": "freshness", "newest": text} for n, text in enumerate(newest)]
    about = {"run_date": day, "result": {"quality": [{"table": "a", "check": "orphans"}, *quality]}}
    return launch(0, "ingesta", 0, 5, **about)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (["2026-11-29T03:00:00+00:00"], []),  # 00:00 of the day before in Buenos Aires
        (["2026-11-29T02:59:59+00:00"], ["t0"]),
        (["2026-11-01T00:00:00+00:00", "2026-11-28T12:00:00+00:00"], ["t1"]),
        (["2026-11-01T00:00:00+00:00", "2026-11-30T12:00:00+00:00"], []),
        ([], []),
    ],
)
def test_a_load_is_stale_when_no_table_has_changed_since_the_day_before(
    config: Config, newest: list[str], expected: list[str]
) -> None:
    assert [item.table for item in stale([load("2026-11-30", *newest)], config.alerts)] == expected


def test_each_is_told_once_by_mail(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox(tmp_path / "mail")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(plain_connection(box.port)))
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    for record in (*history(), load("2026-11-30", "2026-11-27T12:14:00+00:00"), launch(0, "marts", 5, None)):
        write_audit(cloud, bucket, record)
    with time_machine.travel(after(90), tick=False):
        assert tell_delays() == {"slow": [], "stale": []}, "nobody takes a mail, and the next run tells it"
        box.start()
        try:
            told = [tell_delays() for _ in range(2)]
            write_audit(cloud, bucket, launch(0, "marts", 5, 80))
            write_audit(cloud, bucket, launch(0, "reporte", 86, None))
            told.append(tell_delays())
        finally:
            box.stop()
    nothing: dict[str, Any] = {"slow": [], "stale": []}
    assert told == [{"slow": [f"{PIPELINE}.marts"], "stale": [PIPELINE]}, nothing, nothing]
    paths = sorted((tmp_path / "mail").glob("*.eml"), key=lambda path: path.name[-7:])
    mails: list[Any] = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    texts = [str(mail.get_body(("plain",)).get_content()) for mail in mails]
    assert texts[0].startswith(f"{PIPELINE}.marts lleva 85 min; lo habitual es 20 min.")
    assert "la mediana de las últimas 4 que terminaron bien" in texts[0]
    assert texts[1].startswith(f"{PIPELINE} terminó bien, pero lo más nuevo del origen es del 27/11 09:14.")
