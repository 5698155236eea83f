"""# Mantenimiento: contenedores sin dueño

**Qué hace.** Busca en ECS contenedores nuestros cuya tarea de Airflow ya no está viva (se canceló o borró mientras
nadie podía detenerlos), los detiene y dice cuánto corrieron y cuánto costaron.

**Cuándo.** Cada 15 minutos. A mano: `datavision reap`.

**Qué escribe.** Nada; el resultado de la tarea es la lista de lo detenido.

**Si está en rojo.** Airflow o ECS no respondieron; la próxima ejecución lo intenta de nuevo. Si se repite, correr
`datavision doctor`.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from datavision.dags import cron, dag_defaults


@dag(schedule=cron("*/15 * * * *"), doc_md=__doc__, tags=["mantenimiento"], **dag_defaults())
def mantenimiento_contenedores() -> None:
    """Build the graph."""

    @task(execution_timeout=timedelta(minutes=5))
    def contenedores(ti: Any) -> list[dict[str, Any]]:
        from datavision.config import load
        from datavision.reap import reap, states_in_worker

        return [asdict(item) for item in reap(load(), states_in_worker(ti))]

    contenedores()


mantenimiento_contenedores()
