"""What an alert says, and how it looks as text and as HTML; free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from datavision.alerts.causes import cause_of
from datavision.alerts.incidents import Incident
from datavision.business_day import ZONE
from datavision.fargate.outcome.errors import FailedCheck

LOG_LINES: Final = 12
COLOURS: Final = {"bad": "#c62828", "late": "#b26a00", "good": "#2e7d32", "test": "#1f5fbf"}


@dataclass(frozen=True)
class Message:
    """One alert. The first line says it all; the rest is for who opens it."""

    subject: str
    first: str
    tone: Literal["bad", "late", "good", "test"]
    facts: tuple[tuple[str, str], ...] = ()
    checks: tuple[str, ...] = ()
    log_lines: tuple[str, ...] = ()
    step: str = ""
    links: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """It as plain text."""
        return str(_templates().get_template("message.txt.j2").render(message=self)).strip() + "\n"

    @property
    def html(self) -> str:
        """It as one HTML page that fits a phone, in light and dark."""
        template = _templates().get_template("message.html.j2")
        return str(template.render(message=self, colour=COLOURS[self.tone]))


@dataclass(frozen=True)
class Before:
    """The last time that a task succeeded before it failed."""

    at: datetime
    release: str


@dataclass(frozen=True)
class Failure:
    """What is known of a failure when it is told."""

    env: str
    incident: Incident
    tries: int
    base_url: str
    """Airflow's address."""
    release: str | None = None
    reason: str = ""
    checks: tuple[FailedCheck, ...] = ()
    log_lines: tuple[str, ...] = ()
    before: Before | None = None
    """None: it has not succeeded in the last two weeks, or that could not be read."""


def failure_message(failure: Failure) -> Message:
    """Return what to say of a task that failed and will not be retried."""
    incident, cause = failure.incident, cause_of(failure.incident.cause)
    facts = [
        ("Entorno", failure.env),
        ("Ejecución", incident.run_id),
        ("Desde", f"{moment(incident.since)}, {counted(failure.tries, 'intento')}"),
        ("Los datos", _state_of_data(incident, failure.before)),
    ]
    if failure.release:
        facts.append(("Release", _release(failure.release, failure.before)))
    if failure.reason:
        facts.append(("Motivo", failure.reason))
    links = (
        ("Ejecución", run_url(failure.base_url, incident.pipeline, incident.run_id)),
        ("Log", log_url(failure.base_url, incident)),
    )
    page = ("DataVision", pipeline_url(failure.base_url, incident.pipeline))
    if failure.before and failure.release and failure.before.release != failure.release:
        page = (f"Volver a {failure.before.release}", page[1])
    return Message(
        subject=f"{_tag(failure.env)} {incident.name} {cause.what}",
        first=f"{incident.name} {cause.what}.",
        tone="bad",
        facts=tuple(facts),
        checks=tuple(check.text("filas", "fila", "por ejemplo") for check in failure.checks),
        log_lines=failure.log_lines[-LOG_LINES:],
        step=cause.step.format(env=failure.env),
        links=(*links, page),
    )


def recovery_message(env: str, incident: Incident, run_id: str, now: datetime, base_url: str) -> Message:
    """Return what to say of a task that has succeeded again."""
    return Message(
        subject=f"{_tag(env)} {incident.name} volvió a funcionar",
        first=f"{incident.name} volvió a funcionar: {moment(now)}.",
        tone="good",
        facts=(
            ("Entorno", env),
            ("Ejecución", run_id),
            ("Había fallado", f"{moment(incident.since)}: {cause_of(incident.cause).what}"),
        ),
        links=(("Ejecución", run_url(base_url, incident.pipeline, run_id)),),
    )


def late_message(env: str, dag_run: Mapping[str, Any], deadline: str, base_url: str) -> Message:
    """Return what to say of a run that was not done at its deadline."""
    pipeline = str(dag_run["dag_id"])
    run_id = str(dag_run.get("dag_run_id") or dag_run.get("run_id"))
    return Message(
        subject=f"{_tag(env)} {pipeline} está atrasado",
        first=f"{pipeline} no había terminado a las {deadline}.",
        tone="late",
        facts=(("Entorno", env), ("Ejecución", run_id)),
        step="Abrir la ejecución: la tarea en rojo, o la que todavía corre, dice la causa. El runbook está en la "
        "pestaña Docs del DAG.",
        links=(("Ejecución", run_url(base_url, pipeline, run_id)), ("DataVision", pipeline_url(base_url, pipeline))),
    )


def budget_message(
    env: str, day: date, cost: float, budget: float, sums: Mapping[str, float], base_url: str
) -> Message:
    """Return what to say of a month whose containers have cost `cost` of `budget` dollars; `sums` are by pipeline."""
    share = f"{100 * cost / budget:.0f} %"
    return Message(
        subject=f"{_tag(env)} El gasto de {day:%m/%Y} llegó al {share} del presupuesto",
        first=f"Los contenedores gastaron {cost:.2f} de {budget:.2f} dólares en {day:%m/%Y}: {share}.",
        tone="late",
        facts=(("Entorno", env), *((name, f"{value:.2f} dólares") for name, value in sums.items())),
        step="datavision cost --by task dice en qué; los tamaños que sobran están en la página DataVision. El "
        f"presupuesto es alerts.monthly_budget_usd en config/{env}.toml.",
        links=(("DataVision", f"{base_url.rstrip('/')}/plugin/datavision"),),
    )


def sample_message(env: str, who: str) -> Message:
    """Return what proves that alerts arrive."""
    return Message(
        subject=f"{_tag(env)} Prueba de alertas",
        first="Las alertas de este entorno llegan por este camino.",
        tone="test",
        facts=(("Entorno", env), ("La pidió", who)),
    )


def moment(when: datetime) -> str:
    """Return a moment as people in Argentina write it, in their time."""
    return when.astimezone(ZoneInfo(ZONE)).strftime("%d/%m %H:%M")


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def run_url(base: str, pipeline: str, run_id: str) -> str:
    """Return the address of a run in Airflow's UI."""
    return f"{base.rstrip('/')}/dags/{pipeline}/runs/{quote(run_id, safe='')}"


def log_url(base: str, incident: Incident) -> str:
    """Return the address of a task's log in Airflow's UI."""
    index = f"/mapped/{incident.map_index}" if incident.map_index >= 0 else ""
    return f"{run_url(base, incident.pipeline, incident.run_id)}/tasks/{incident.task_id}{index}"


def pipeline_url(base: str, pipeline: str) -> str:
    """Return the address of a pipeline's tab of the DataVision page."""
    return f"{base.rstrip('/')}/dags/{pipeline}/plugin/datavision-pipeline"


def _tag(env: str) -> str:
    return f"[DataVision {env}]"


def _state_of_data(incident: Incident, before: Before | None) -> str:
    if before is None:
        return f"{incident.task_id} no terminó bien en las últimas dos semanas: lo que escribe puede faltar."
    return f"lo que escribe {incident.task_id} sigue al {moment(before.at)}, la última vez que terminó bien."


def _release(release: str, before: Before | None) -> str:
    if before is None or before.release == release:
        return release
    return f"{release}; la última vez que terminó bien fue con {before.release}"


@cache
def _templates() -> Any:
    # Here, because every task that succeeds imports this module, and next to none has anything to say.
    from jinja2 import Environment, PackageLoader, select_autoescape

    return Environment(
        loader=PackageLoader("datavision.alerts"),
        autoescape=select_autoescape(("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
