"""Alerts reach a mailbox over SMTP, and say what happened."""

import email
import email.policy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datavision.alerts import failure_alert, late_alert, retry_alert, send_mail
from datavision.local.mail import Mailbox

Read = Callable[[], Any]


@pytest.fixture
def mailbox(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """A real SMTP server as Airflow's `smtp_default`; gives a function that reads the one message in it."""
    box = Mailbox(tmp_path)
    box.start()
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": box.port}
    extra = {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**connection, "extra": extra}))
    monkeypatch.setenv("DATAVISION_ENV", "local")
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))

    def read() -> Any:
        (path,) = tmp_path.glob("*.eml")
        return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)

    yield read
    box.stop()


def context() -> dict[str, Any]:
    instance = SimpleNamespace(
        dag_id="pipeline_suscripciones",
        task_id="ingesta",
        try_number=2,
        log_url="http://airflow.example/log",
    )
    return {"ti": instance, "run_id": "r1", "exception": ValueError("exit code 3 <b>\n  next step  correct it")}


def text_of(message: Any) -> str:
    part = message.get_body(("html", "plain"))
    return str(part.get_content())


def test_a_failure_is_mailed_with_its_reason_and_a_link_to_the_log(mailbox: Read) -> None:
    failure_alert()(context())
    message = mailbox()
    assert message["subject"] == "[DataVision local] pipeline_suscripciones.ingesta falló"
    assert message["to"] == "datos@datavision.example"
    body = text_of(message)
    assert "exit code 3 &lt;b&gt;" in body
    assert "next step  correct it" in body
    assert "http://airflow.example/log" in body


def test_a_retry_is_mailed_with_its_try(mailbox: Read) -> None:
    retry_alert()(context())
    assert mailbox()["subject"].endswith("pipeline_suscripciones.ingesta falló y se reintenta (intento 2)")


async def test_a_late_run_is_mailed_from_what_airflow_hands_the_triggerer(mailbox: Read) -> None:
    callback = late_alert(timedelta(hours=1), at="10:00").callback
    assert callback.path == "datavision.alerts.send_mail"
    dag_run = {"dag_id": "pipeline_suscripciones", "dag_run_id": "scheduled__2026-11-23"}
    deadline = {"id": "1", "deadline_time": datetime.now(UTC)}
    await send_mail(**callback.kwargs, context={"dag_run": dag_run, "deadline": deadline})
    message = mailbox()
    assert message["subject"] == "[DataVision local] pipeline_suscripciones está atrasado"
    body = text_of(message)
    assert "scheduled__2026-11-23" in body
    assert "no había terminado a las 10:00" in body
