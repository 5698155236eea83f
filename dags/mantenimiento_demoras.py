"""# Mantenimiento: demoras

**Qué hace.** Avisa de lo que tarda mucho más de lo habitual (una tarea o una ejecución), y de una carga que terminó
bien sin encontrar nada nuevo en el origen. Una vez cada cosa.

**Cuándo.** Cada 15 minutos.

**Qué escribe.** Nada en el lakehouse; el resultado de la tarea es lo avisado.

**Si está en rojo.** S3 no respondió; la próxima ejecución lo intenta de nuevo. Si se repite, correr
`datavision doctor`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from datavision.dags import cron, dag_defaults


@dag(schedule=cron("*/15 * * * *"), doc_md=__doc__, tags=["mantenimiento"], **dag_defaults())
def mantenimiento_demoras() -> None:
    """Build the graph."""

    @task(execution_timeout=timedelta(minutes=5))
    def demoras() -> dict[str, Any]:
        from datavision.alerts import tell_delays

        return tell_delays()

    demoras()


mantenimiento_demoras()
