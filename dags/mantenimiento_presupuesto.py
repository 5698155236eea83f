"""# Mantenimiento: presupuesto

**Qué hace.** Suma lo que costaron los contenedores del mes y avisa al llegar al 80 % y al 100 % de
`alerts.monthly_budget_usd`, una vez cada uno por mes.

**Cuándo.** Todos los días a las 08:00 (Buenos Aires). A mano: `datavision cost`.

**Qué escribe.** Nada en el lakehouse; el resultado de la tarea es lo gastado.

**Si está en rojo.** S3 no respondió; la próxima ejecución lo intenta de nuevo. Si se repite, correr
`datavision doctor`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from datavision.dags import cron, dag_defaults


@dag(schedule=cron("0 8 * * *"), doc_md=__doc__, tags=["mantenimiento"], **dag_defaults())
def mantenimiento_presupuesto() -> None:
    """Build the graph."""

    @task(execution_timeout=timedelta(minutes=5))
    def gasto() -> dict[str, Any]:
        from datavision.alerts import tell_budget

        return tell_budget()

    gasto()


mantenimiento_presupuesto()
