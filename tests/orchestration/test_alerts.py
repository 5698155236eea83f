"""Alerts reach people by e-mail and other channels, once for each cause and run, and say when it is good again."""

import email
import email.policy
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.sdk.definitions.callback import SyncCallback
from tests.support.audits import audit
from tests.support.cloud_in_process import cloud_in_process
from typer.testing import CliRunner

from datavision.alerts import late_alert, tell_budget, tell_failure, tell_late, tell_recovery
from datavision.alerts.causes import CAUSES
from datavision.alerts.incidents import Incident
from datavision.alerts.message import Before, Failure, failure_message
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.cli.app import app
from datavision.config import Config
from datavision.fargate.outcome.audit import write_audit
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.errors import FailedCheck
from datavision.fargate.outcome.explain import explain
from datavision.local.mail import Mailbox
from datavision.mail import plain_connection

PIPELINE, RUN = "pipeline_suscripciones", "scheduled__2026-11-23T12:00:00+00:00"
Mails = Callable[[], list[Any]]


@pytest.fixture
def config(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """The environment dev in an AWS of moto's, which is the one that alerts look at."""
    with cloud_in_process(repository) as found:
        monkeypatch.setattr("datavision.alerts.told.configuration.load", lambda: found)
        yield found


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A real SMTP server as Airflow's `smtp_default`."""
    box = Mailbox(tmp_path / "mail")
    box.start()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(plain_connection(box.port)))
    yield box
    box.stop()


@pytest.fixture
def mails(box: Mailbox, tmp_path: Path) -> Mails:
    """All messages that have arrived, in order."""

    def read() -> list[Any]:
        paths = sorted((tmp_path / "mail").glob("*.eml"), key=lambda path: path.name[-7:])
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]

    return read


def context(error: Exception | None = None, *, task_id: str = "ingesta", run_id: str = RUN) -> dict[str, Any]:
    instance = SimpleNamespace(dag_id=PIPELINE, task_id=task_id, map_index=-1, try_number=4)
    return {"ti": instance, "run_id": run_id, "exception": error}


def fault(outcome: Outcome, **more: Any) -> Exception:
    about = {
        "task": f"{PIPELINE}.ingesta",
        "env": "dev",
        "image": "i",
        "size": "s",
        "task_arn": "arn",
        "last_try": True,
    }
    return explain(Ending(outcome, reason="Essential container in task exited"), **{**about, **more})


def body(message: Any, kind: str) -> str:
    return str(message.get_body((kind,)).get_content()).replace("\r\n", "\n")


def test_a_failure_says_what_why_since_when_what_of_the_data_and_what_to_do(config: Config, mails: Mails) -> None:
    today = day_of(datetime.now(UTC))
    ended = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12, minute=14, second=0).timestamp()
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    good = audit(PIPELINE, "before", today - timedelta(days=1), ended - 60, stopped_at=ended, release="0.3.0")
    bad = audit(PIPELINE, RUN, today, ended + 80_000, outcome="data quality gate", release="0.4.0")
    other = audit(PIPELINE, "before", today, ended + 90_000, task_id="marts", release="0.9.0")
    for record in (good, bad, other):
        write_audit(cloud, bucket, record)
    check = FailedCheck("source_unique_raw_datavision_accounts_account_id", rows=3, sample=("41", "<b>", "97"))
    tell_failure(context(fault(Outcome.QUALITY, checks=(check,), log_lines=("uno", "dos"))))
    (message,) = mails()
    assert message["subject"] == f"[DataVision dev] {PIPELINE}.ingesta encontró datos que no pasan los controles"
    assert message["to"] == ", ".join(config.alerts.email_to)
    text, html = body(message, "plain"), body(message, "html")
    assert text.splitlines()[0] == f"{PIPELINE}.ingesta encontró datos que no pasan los controles."
    at = datetime.fromtimestamp(ended, UTC).strftime("%d/%m")
    assert f"lo que escribe ingesta sigue al {at} 09:14, la última vez que terminó bien." in text
    assert "Release: 0.4.0; la última vez que terminó bien fue con 0.3.0" in text
    assert ", 4 intentos" in text
    assert "Qué hacer: Corregir los datos en el origen y limpiar la tarea (Clear)." in text
    assert text.count("uno") == text.count("dos") == 1
    assert "Motivo" not in text, "that a container has ended says nothing"
    assert "- source_unique_raw_datavision_accounts_account_id: 3 filas, por ejemplo 41; <b>; 97\n" in text
    assert "3 filas, por ejemplo 41; &lt;b&gt;; 97</li>" in html
    run = f"/dags/{PIPELINE}/runs/scheduled__2026-11-23T12%3A00%3A00%2B00%3A00"
    for link in (f'{run}"', f'{run}/tasks/ingesta"', f'/dags/{PIPELINE}/plugin/datavision-pipeline">Volver a 0.3.0<'):
        assert link in html


def test_a_cause_is_told_once_for_each_run_and_keeps_its_beginning(config: Config, mails: Mails) -> None:
    tell_failure(context(fault(Outcome.BUSINESS)))
    tell_failure(context(fault(Outcome.BUSINESS)))
    assert len(mails()) == 1
    tell_failure(context(fault(Outcome.USAGE)))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=11), tick=False):
        tell_failure(context(fault(Outcome.USAGE), run_id="a quarter of an hour's"))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24), tick=False):
        tell_failure(context(fault(Outcome.USAGE), run_id="the next day's"))
    tell_failure(context(fault(Outcome.USAGE), task_id="marts"))
    said = [message["subject"].partition("] ")[2] for message in mails()]
    assert said == [
        f"{PIPELINE}.ingesta falló",
        f"{PIPELINE}.ingesta rechazó sus parámetros o su configuración",
        f"{PIPELINE}.ingesta rechazó sus parámetros o su configuración",
        f"{PIPELINE}.marts rechazó sus parámetros o su configuración",
    ]
    began = {next(line for line in body(message, "plain").splitlines() if "Desde" in line) for message in mails()[1:3]}
    assert len(began) == 1, "since when it has not worked, not since when it was told again"


def test_a_task_that_works_again_says_so_once_and_only_if_its_failure_was_told(config: Config, mails: Mails) -> None:
    tell_recovery(context())
    assert mails() == []
    tell_failure(context(fault(Outcome.LOST)))
    tell_recovery(context(task_id="marts"))
    tell_recovery(context(run_id="later"))
    tell_recovery(context(run_id="later still"))
    _, again = mails()
    assert again["subject"] == f"[DataVision dev] {PIPELINE}.ingesta volvió a funcionar"
    assert "Había fallado: " in body(again, "plain")
    assert "/runs/later" in body(again, "html")
    tell_failure(context(fault(Outcome.LOST)))
    assert len(mails()) == 3, "what was over begins anew"


def test_a_failure_outside_of_a_container_says_the_first_line_of_its_error(config: Config, mails: Mails) -> None:
    tell_failure(context(ValueError("no pin <b>\nand more")))
    (message,) = mails()
    assert message["subject"].endswith("pipeline_suscripciones.ingesta falló")
    assert "Motivo: no pin <b>\n" in body(message, "plain")
    assert "and more" not in body(message, "plain")


def test_no_record_to_be_read_leaves_an_alert_with_what_is_known(config: Config, mails: Mails) -> None:
    gone = config.model_copy(update={"storage": config.storage.model_copy(update={"audit_bucket": "nowhere"})})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datavision.alerts.told.configuration.load", lambda: gone)
        tell_failure(context(fault(Outcome.TIMEOUT)))
    (message,) = mails()
    assert "ingesta no terminó bien en las últimas dos semanas" in body(message, "plain")


def test_every_class_of_the_failure_table_has_words_and_a_next_step_in_spanish() -> None:
    assert set(CAUSES) == set(Outcome) - {Outcome.SUCCESS}
    for outcome, cause in CAUSES.items():
        now = datetime.now(UTC)
        incident = Incident(pipeline="p", task_id="t", run_id="r", cause=outcome.value, since=now, told=now)
        message = failure_message(Failure("dev", incident, 1, "http://a", before=Before(datetime.now(UTC), "1.0.0")))
        assert message.first == f"p.t {cause.what}."
        assert message.step
        assert "{" not in message.step


def test_a_late_run_is_told_from_what_airflow_hands_a_worker(config: Config, mails: Mails) -> None:
    callback = late_alert(timedelta(hours=1), at="10:00").callback
    assert isinstance(callback, SyncCallback)
    assert callback.path == "datavision.alerts.tell_late"
    dag_run = {"dag_id": PIPELINE, "dag_run_id": "scheduled__2026-11-23"}
    tell_late(**callback.kwargs, context={"dag_run": dag_run, "deadline": {"id": "1"}})
    (message,) = mails()
    assert message["subject"] == f"[DataVision dev] {PIPELINE} está atrasado"
    assert body(message, "plain").startswith(f"{PIPELINE} no había terminado a las 10:00.")
    assert "/runs/scheduled__2026-11-23" in body(message, "html")


def test_a_month_is_told_at_each_share_of_its_budget_and_only_once(
    config: Config, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    today = day_of(datetime.now(UTC))

    def spend(run_id: str, cost: float, pipeline: str = PIPELINE, day: date = today) -> None:
        write_audit(cloud, bucket, audit(pipeline, run_id, day, 1.0, cost_usd=cost))

    spend("last month's", 100.0, day=today.replace(day=1) - timedelta(days=1))
    spend("first", 7.0)
    assert tell_budget() == {"month": f"{today:%Y-%m}", "spent": 7.0, "budget": None, "share": 0.0}
    alerts = config.alerts.model_copy(update={"monthly_budget_usd": 10.0})
    limited = config.model_copy(update={"alerts": alerts})
    monkeypatch.setattr("datavision.alerts.budget.configuration.load", lambda: limited)
    assert tell_budget()["share"] == 0
    spend("second", 1.5, pipeline="pipeline_fact_rfm")
    assert tell_budget()["share"] == 0.8
    assert tell_budget()["share"] == 0
    spend("third", 4.0)
    assert tell_budget()["share"] == 1.0
    assert tell_budget()["share"] == 0
    first, second = mails()
    assert first["subject"] == f"[DataVision dev] El gasto de {today:%m/%Y} llegó al 85 % del presupuesto"
    assert "pipeline_fact_rfm: 1,50 dólares" in body(first, "plain")
    assert body(second, "plain").startswith(
        f"Los contenedores gastaron 12,50 de 10,00 dólares en {today:%m/%Y}: 125 %."
    )


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web hook's address for apprise, and what was posted there."""
    posted: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/secret-path", posted
    server.shutdown()
    thread.join()
    server.server_close()


def with_channels(port: int, *urls: str) -> str:
    """The connection of a mail server, and of other ways."""
    connection = plain_connection(port)
    return json.dumps({**connection, "extra": {**connection["extra"], "channels": urls}})


def test_a_second_channel_gets_it_too_and_a_blocked_one_stops_nothing(
    config: Config,
    box: Mailbox,
    mails: Mails,
    hook: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, posted = hook
    connection = with_channels(box.port, "json://127.0.0.1:9/secret-path", address)
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection)
    with caplog.at_level(logging.INFO, "datavision.alerts"):
        tell_failure(context(fault(Outcome.MEMORY)))
    assert len(mails()) == 1
    (told,) = posted
    assert told["title"] == f"[DataVision dev] {PIPELINE}.ingesta se quedó sin memoria"
    assert "Qué hacer: No hay un tamaño mayor permitido" in told["message"]
    assert told["type"] == "failure"
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("datavision.alerts")]
    assert sum(line.startswith("The alert could not be sent by json: ") for line in lines) == 1
    assert "secret-path" not in "\n".join(lines)


def test_a_dead_mail_server_fails_no_task(
    config: Config, hook: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, posted = hook
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", with_channels(9, address))
    tell_failure(context(fault(Outcome.BUSINESS)))
    tell_recovery(context())
    assert [told["type"] for told in posted] == ["failure", "success"]


def test_alert_test_tries_each_way_and_says_which_is_blocked(
    config: Config, box: Mailbox, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = with_channels(box.port, "json://127.0.0.1:9/secret-path")
    monkeypatch.setattr("datavision.cli.alerts.environment", lambda _: nullcontext(config))
    monkeypatch.setattr("datavision.cli.alerts.smtp_secret", lambda _: connection)
    done = CliRunner().invoke(app, ["alert-test", "--env", "dev", "--json"])
    assert done.exit_code == 1
    assert [(sent["channel"], bool(sent["error"])) for sent in json.loads(done.stdout)] == [
        ("mail", False),
        ("json", True),
    ]
    assert "secret-path" not in done.output
    assert mails()[0]["subject"] == "[DataVision dev] Prueba de alertas"
    connection = with_channels(box.port)
    assert CliRunner().invoke(app, ["alert-test", "--env", "dev"]).exit_code == 0


def test_without_a_connection_the_alert_is_blocked_and_no_task_fails(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    with caplog.at_level(logging.INFO, "datavision.alerts"):
        tell_failure(context(fault(Outcome.MEMORY)))
    assert "The alert could not be sent by mail: " in caplog.text
