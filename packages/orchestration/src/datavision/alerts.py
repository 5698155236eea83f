"""E-mails about failures, retries and late data, in Spanish; `[alerts]` of the configuration says who gets them."""

from datetime import timedelta
from typing import Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from datavision import config as configuration

_FAILURE_BODY = """\
<p><b>{{ ti.dag_id }}.{{ ti.task_id }}</b>, ejecución {{ run_id }}, intento {{ ti.try_number }}, entorno ENV.</p>
<pre>{{ exception | default("", true) | string | e }}</pre>
<p><a href="{{ ti.log_url }}">Log</a> · el runbook está en la pestaña Docs del DAG.</p>
"""
_LATE_BODY = """\
<p><b>{{ dag_run.dag_id }}</b>, ejecución {{ dag_run.dag_run_id | default(dag_run.run_id) }}, entorno ENV,
no había terminado a las DEADLINE.</p>
<p>Abrir la ejecución: el log de la tarea en rojo dice la causa. El runbook está en la pestaña Docs del DAG.</p>
"""


def failure_alert() -> SmtpNotifier:
    """Return the notifier for a task that has failed and will not be retried."""
    return _notifier("{{ ti.dag_id }}.{{ ti.task_id }} falló")


def retry_alert() -> SmtpNotifier:
    """Return the notifier for a task that will be retried."""
    return _notifier("{{ ti.dag_id }}.{{ ti.task_id }} falló y se reintenta (intento {{ ti.try_number }})")


def late_alert(after: timedelta, at: str) -> DeadlineAlert:
    """Return the alert for a scheduled run that is not done `after` its logical date; `at` is that time for people."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=after,
        callback=AsyncCallback(
            "datavision.alerts.send_mail",
            kwargs={
                **_addresses(),
                "subject": _subject("{{ dag_run.dag_id }} está atrasado"),
                "html_content": _late(at),
            },
        ),
        name=f"sin terminar a las {at}",
    )


async def send_mail(context: dict[str, Any] | None = None, **settings: Any) -> None:
    """Send one e-mail from the triggerer."""
    await SmtpNotifier(**settings, context=context or {})


def _notifier(subject: str) -> SmtpNotifier:
    body = _FAILURE_BODY.replace("ENV", configuration.load().env)
    return SmtpNotifier(**_addresses(), subject=_subject(subject), html_content=body)


def _addresses() -> dict[str, Any]:
    alerts = configuration.load().alerts
    return {"to": list(alerts.email_to), "from_email": alerts.email_from, "smtp_conn_id": alerts.smtp_conn_id}


def _subject(text: str) -> str:
    return f"[DataVision {configuration.load().env}] {text}"


def _late(at: str) -> str:
    return _LATE_BODY.replace("ENV", configuration.load().env).replace("DEADLINE", at)
