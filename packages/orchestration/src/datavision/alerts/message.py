"""What an alert says, and how it looks as text and as HTML; free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from datavision.alerts.causes import cause_of
from datavision.alerts.delays import Slow, Stale
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
    page = _page(failure.base_url, incident.pipeline)
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
        links=(("Ejecución", run_url(base_url, pipeline, run_id)), _page(base_url, pipeline)),
    )


def missing_message(env: str, pipeline: str, due: datetime, now: datetime, last: date | None, base_url: str) -> Message:
    """Return what to say of a run that was due and of which nothing has started; `last`: the day of the last one."""
    before = f"la última ejecución es del {last:%d/%m}" if last else "todavía no hay ninguna ejecución"
    return Message(
        subject=f"{_tag(env)} {pipeline} no empezó",
        first=f"{pipeline} debía empezar el {moment(due)} y a las {moment(now)[-5:]} no había empezado.",
        tone="bad",
        facts=(("Entorno", env), ("Los datos", f"siguen como estaban: {before}.")),
        step=f"Abrir Airflow. Si no responde o dice que su scheduler está caído: datavision doctor --env {env}, y los "
        "eventos de sus servicios en ECS. Si el DAG está pausado, reanudarlo; si una ejecución anterior sigue abierta, "
        f"resolverla primero. Después: datavision run {pipeline} --env {env}.",
        links=(_runs(base_url, pipeline), _page(base_url, pipeline)),
    )


def started_again_message(env: str, pipeline: str, missed: datetime, now: datetime, base_url: str) -> Message:
    """Return what to say of a pipeline that starts again by its schedule; `missed`: when the missing run was due."""
    return Message(
        subject=f"{_tag(env)} {pipeline} volvió a empezar",
        first=f"{pipeline} volvió a empezar: {moment(now)}.",
        tone="good",
        facts=(("Entorno", env), ("Había faltado", f"la ejecución del {moment(missed)}")),
        links=(_runs(base_url, pipeline), _page(base_url, pipeline)),
    )


def slow_message(env: str, slow: Slow, base_url: str) -> Message:
    """Return what to say of a task or a run that takes much longer than usual."""
    now, usual = _minutes(slow.seconds), _minutes(slow.usual)
    links = [("Ejecución", run_url(base_url, slow.pipeline, slow.run_id)), _page(base_url, slow.pipeline)]
    return Message(
        subject=f"{_tag(env)} {slow.name} tarda más de lo habitual",
        first=f"{slow.name} lleva {now}; lo habitual es {usual}.",
        tone="late",
        facts=(
            ("Entorno", env),
            ("Ejecución", slow.run_id),
            ("Lo habitual", f"{usual}: la mediana de las últimas {slow.of} que terminaron bien."),
        ),
        step="Sigue corriendo; nada se detuvo. Abrir la tarea que corre: su log dice en qué está. Si espera al origen "
        "o a otra carga, resolver eso; si cada día tarda más, darle un tamaño mayor en el DAG.",
        links=tuple(links),
    )


def stale_message(env: str, stale: Stale, base_url: str) -> Message:
    """Return what to say of a run that is green and found nothing new at the source."""
    return Message(
        subject=f"{_tag(env)} Los datos de {stale.pipeline} no avanzan",
        first=f"{stale.pipeline} terminó bien, pero lo más nuevo del origen es del {moment(stale.newest)}.",
        tone="late",
        facts=(("Entorno", env), ("Ejecución", stale.run_id), ("La tabla más nueva", stale.table)),
        step="Nada que limpiar en Airflow: el origen no cambió. Preguntar a quien lo mantiene si su réplica o su carga "
        "se detuvo. Cuando avance, la próxima ejecución trae lo que falte.",
        links=(("Ejecución", run_url(base_url, stale.pipeline, stale.run_id)), _page(base_url, stale.pipeline)),
    )


def budget_message(
    env: str, day: date, cost: float, budget: float, sums: Mapping[str, float], base_url: str
) -> Message:
    """Return what to say of a month whose containers have cost `cost` of `budget` dollars; `sums` are by pipeline."""
    share = f"{100 * cost / budget:.0f} %"
    return Message(
        subject=f"{_tag(env)} El gasto de {day:%m/%Y} llegó al {share} del presupuesto",
        first=f"Los contenedores gastaron {_amount(cost)} de {_amount(budget)} dólares en {day:%m/%Y}: {share}.",
        tone="late",
        facts=(("Entorno", env), *((name, f"{_amount(value)} dólares") for name, value in sums.items())),
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


def _amount(dollars: float) -> str:
    return f"{dollars:.2f}".replace(".", ",")


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _page(base: str, pipeline: str) -> tuple[str, str]:
    return "DataVision", pipeline_url(base, pipeline)


def _runs(base: str, pipeline: str) -> tuple[str, str]:
    return "Ejecuciones", f"{base.rstrip('/')}/dags/{pipeline}/runs"


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
