"""What the DAG files share: defaults, schedules, form fields, assets, and the modules' command lines."""

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param

from datavision.alerts import tell_failure, tell_recovery
from datavision.business_day import ZONE, day_of
from datavision.config import current_env

OWNER = "datos"
RELEASE = "release"
_NAME = r"[0-9A-Za-z_*?.\[/][0-9A-Za-z_*?.\[\]!/-]*"
_CRITERION = rf"@?([0-9]*\+)?([0-9A-Za-z_]+(\.[0-9A-Za-z_-]+)*:)?{_NAME}(\+[0-9]*)?"
_SELECTOR = rf"{_CRITERION}(,{_CRITERION})*"
RFM_MODELS = "fact_rfm+"
"""What a segmentation builds unless its form says something else."""
SELECTION = rf"^ *{_SELECTOR}( +{_SELECTOR})* *$"
"""dbt's selectors separated by spaces, and no option among them. transformacion has the same grammar for its command
line; neither imports the other, so a test compares the two."""
_RELEASE = r"^$|^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$"
_DAY = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"
MARTS = (
    "dim_cuentas_base",
    "dim_cuentas",
    "dim_suscripciones",
    "dim_contenidos",
    "fact_suscripciones_cuentas",
    "fact_ingresos_recurrentes",
    "fact_churn_cohortes",
    "frescura_fuentes",
    "segmentos_rfm",
)
"""What the daily run builds; fact_rfm has its own pipeline."""


def dag_defaults() -> dict[str, Any]:
    """Return the arguments every DAG has: one run at a time, no catch-up, retries, alerts, and the `release` field."""
    return {
        "catchup": False,
        "max_active_runs": 1,
        "params": {RELEASE: release_field()},
        "default_args": {
            "owner": OWNER,
            "retries": 3,
            "retry_delay": timedelta(minutes=5),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
            "on_failure_callback": tell_failure,
            "on_success_callback": tell_recovery,
        },
        "user_defined_macros": {"run_day": run_day},
    }


def cron(expression: str) -> CronTriggerTimetable:
    """Return a schedule in the business's time zone.

    A DAG that Airflow sees for the first time waits for its next scheduled time. That is why the DAGs have no start
    date (with one, the latest missed occurrence runs at once) and `run_immediately` is an interval of zero: `False`
    means "if less than a tenth of the period has passed" in Airflow 3.3, which is 18 days for `pipeline_completo`.
    """
    return CronTriggerTimetable(expression, timezone=ZONE, run_immediately=timedelta())


def release_field() -> Param:
    """Return the form field for running a release other than the pinned one, for one run."""
    return Param(
        default=None,
        type=["null", "string"],
        pattern=_RELEASE,
        title="Release",
        description="Versión con la que corre solo esta ejecución, como 1.4.0; vacío: la fijada (pin).",
    )


def day_field(title: str, description: str) -> Param:
    """Return a form field for a day of this century, empty by default."""
    return Param(
        default=None, type=["null", "string"], format="date", pattern=_DAY, title=title, description=description
    )


def models_field(default: str, *others: str) -> Param:
    """Return the form field for a dbt selection, which reaches dbt as selectors and never as options.

    Args:
        default: The selection that is there when the form opens.
        others: What the form offers beside it; any other selection can be written.
    """
    return Param(
        default=default,
        examples=[default, *others],
        type="string",
        pattern=SELECTION,
        maxLength=1000,
        title="Modelos",
        description="De la lista, u otra selección de dbt, separada por espacios (path:models/rfm); sin opciones.",
    )


def run_day(dag_run: Any) -> date:
    """Return the run's day in the business's time zone; manual runs have no logical date, so `run_after` decides."""
    return day_of(dag_run.run_after)


def tables(schema: str, *names: str) -> list[Asset]:
    """Return the assets of lakehouse tables, named `schema.table`."""
    return [Asset(f"{schema}.{name}") for name in names]


def ingesta_command(*options: str) -> list[str]:
    """Return the command line of the ingestion."""
    return ["python", "/app/ingesta/ingesta_datavision.py", "--env", current_env(), *options]


def rfm_selection(models: str = RFM_MODELS) -> list[str]:
    """Return what dbt builds of a segmentation: the chosen models, with the segments.

    The rules of the segments are those of the run's own image, whatever image the daily run has.
    """
    return ["segmentos_rfm", *models.split()]


def transformacion_command(step: str, *options: str) -> list[str]:
    """Return the command line of a step of the transformation."""
    return ["transformacion", step, "--env", current_env(), *options]
