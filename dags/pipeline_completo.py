"""# Corrida completa semestral

**Qué hace.** Corre `pipeline_suscripciones` hasta el final y después `pipeline_fact_rfm` con el día de esta ejecución.

**Cuándo.** El 1 de enero y el 1 de julio a las 00:00 (Buenos Aires).

**Qué escribe.** Nada por sí mismo: lo que escriben los otros dos.

**Si está en rojo.** Abrir la ejecución enlazada en la tarea roja y seguir su runbook. Cuando esté resuelto, limpiar la
tarea roja aquí (Clear): vuelve a lanzar esa misma ejecución y sigue con la siguiente.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain, dag

from datavision.dags import cron, dag_defaults

RELEASE = "{{ params.release or '' }}"


@dag(schedule=cron("0 0 1 1,7 *"), doc_md=__doc__, tags=["semestral", "suscripciones", "rfm"], **dag_defaults())
def pipeline_completo() -> None:
    """Build the graph."""

    def run(dag_id: str, conf: dict[str, str], hours: int) -> TriggerDagRunOperator:
        return TriggerDagRunOperator(
            task_id=dag_id,
            trigger_dag_id=dag_id,
            trigger_run_id="completo__{{ run_id }}",
            conf=conf,
            logical_date=None,
            reset_dag_run=True,
            wait_for_completion=True,
            deferrable=True,
            poke_interval=15,
            execution_timeout=timedelta(hours=hours),
        )

    chain(
        run("pipeline_suscripciones", {"release": RELEASE}, hours=4),
        run("pipeline_fact_rfm", {"fecha_rfm": "{{ run_day(dag_run) }}", "release": RELEASE}, hours=2),
    )


pipeline_completo()
