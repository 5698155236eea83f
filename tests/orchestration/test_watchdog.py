"""Runs that were due and do not start are told from outside of Airflow, once each."""

import email
import email.policy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.audits import audit
from tests.support.cloud_in_process import cloud_in_process

from datavision.alerts.schedules import last_due
from datavision.alerts.watchdog import watch
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import write_audit
from datavision.local.mail import Mailbox
from datavision.mail import plain_connection

DAILY, RARE = "pipeline_suscripciones", "pipeline_completo"
BEGIN = datetime(2026, 12, 30, 20, tzinfo=UTC)
NINE = datetime(2026, 12, 31, 12, tzinfo=UTC)
"""09:00 in Buenos Aires."""


@pytest.fixture
def config(repository: Path) -> Iterator[Config]:
    with cloud_in_process(repository) as found:
        yield found


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a real SMTP server, Airflow's `smtp_default`."""
    box = Mailbox(tmp_path / "mail")
    box.start()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(plain_connection(box.port)))
    yield tmp_path / "mail"
    box.stop()


def subjects(folder: Path) -> list[str]:
    paths = sorted(folder.glob("*.eml"), key=lambda path: path.name[-7:])
    found = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    return [str(message["subject"]).partition("] ")[2] for message in found]


def text(folder: Path) -> str:
    message: Any = email.message_from_bytes(next(folder.glob("*.eml")).read_bytes(), policy=email.policy.default)
    return str(message.get_body(("plain",)).get_content())


def ran(config: Config, pipeline: str, due: datetime, run_id: str = "scheduled__{}") -> None:
    """Leave the record of a launch of the run that was due then."""
    record = audit(pipeline, run_id.format(due.isoformat()), day_of(due), due.timestamp())
    write_audit(Cloud.of(config), config.storage.audit_bucket, record)


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("0 9 * * *", NINE - timedelta(seconds=1), NINE - timedelta(days=1)),
        ("0 9 * * *", NINE, NINE),
        ("0 9 * * *", NINE + timedelta(hours=3), NINE),
        ("0 0 1 1,7 *", NINE, datetime(2026, 7, 1, 3, tzinfo=UTC)),
    ],
)
def test_a_schedule_is_due_in_the_business_time_zone(expression: str, now: datetime, expected: datetime) -> None:
    assert last_due(expression, now) == expected


def test_a_run_that_does_not_start_is_told_once_and_so_is_the_next_one_that_does(
    config: Config, mailbox: Path, repository: Path
) -> None:
    dags = repository / "dags"
    ran(config, DAILY, NINE - timedelta(days=1))
    for minutes in (-960, 0, 14):
        assert watch(config, dags, NINE + timedelta(minutes=minutes))
    assert subjects(mailbox) == [], "what was due before the first look, and what has time still, is not missing"
    for minutes in (15, 16, 600):
        assert watch(config, dags, NINE + timedelta(minutes=minutes))
    assert subjects(mailbox) == [f"{DAILY} no empezó"]
    said = text(mailbox)
    assert said.startswith(f"{DAILY} debía empezar el 31/12 09:00 y a las 09:15 no había empezado.")
    assert "la última ejecución es del 30/12" in said
    tomorrow = NINE + timedelta(days=1)
    ran(config, RARE, tomorrow - timedelta(hours=9))
    ran(config, DAILY, tomorrow)
    for minutes in (15, 16):
        watch(config, dags, tomorrow + timedelta(minutes=minutes))
    assert subjects(mailbox)[1:] == [f"{DAILY} volvió a empezar"]


def test_each_missing_run_is_told(config: Config, mailbox: Path, repository: Path) -> None:
    for day in range(-1, 3):
        watch(config, repository / "dags", NINE + timedelta(days=day, minutes=20))
    assert subjects(mailbox).count(f"{DAILY} no empezó") == 3


def test_a_pipeline_that_triggers_others_has_started_when_they_have(
    config: Config, mailbox: Path, repository: Path
) -> None:
    due = datetime(2027, 1, 1, 3, tzinfo=UTC)
    watch(config, repository / "dags", due - timedelta(hours=1))
    ran(config, DAILY, due, "completo__scheduled__{}")
    watch(config, repository / "dags", due + timedelta(hours=1))
    assert subjects(mailbox) == []


def test_what_no_way_took_is_told_by_the_next_look(config: Config, mailbox: Path, repository: Path) -> None:
    watch(config, repository / "dags", NINE - timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(plain_connection(9)))
        assert not watch(config, repository / "dags", NINE + timedelta(minutes=20))
    assert watch(config, repository / "dags", NINE + timedelta(minutes=21))
    assert subjects(mailbox) == [f"{DAILY} no empezó"]
