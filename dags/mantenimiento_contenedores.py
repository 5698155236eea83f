"""# Mantenimiento: contenedores sin dueño

**Qué hace.** Busca en ECS contenedores nuestros cuya tarea de Airflow ya no está viva (se canceló o borró mientras
nadie podía detenerlos), los detiene y dice cuánto corrieron y cuánto costaron. Anota además lo que costaron los
contenedores compartidos mientras no corría ningún paso.

**Cuándo.** Cada 15 minutos. A mano: `datavision reap`.

**Qué escribe.** Un registro de auditoría por contenedor compartido que corrió sin pasos, con lo que eso costó.

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

    @task(execution_timeout=timedelta(minutes=5))
    def sin_pasos() -> list[str]:
        from datavision.config import load
        from datavision.idle import record_idle

        return [record.object_key for record in record_idle(load())]

    contenedores()
    sin_pasos()


mantenimiento_contenedores()
