"""# Carga diaria de suscripciones

**Qué hace.** Trae las ocho tablas del negocio (PostgreSQL → landing → `raw_datavision`), prueba las fuentes y su
frescura, y construye staging, snapshots y marts, todo menos `fact_rfm`. Al final escribe el reporte HTML.

**Cuándo.** Todos los días a las 09:00 (Buenos Aires). A las 10:00, si no terminó, sale una alerta por correo.

**Qué escribe.** `raw_datavision.*`, `staging.*`, `snapshots.*`, `marts.*` en el lakehouse; el reporte en su bucket.

**Si está en rojo.**
1. Abrir la tarea roja: el final del log dice la causa y el próximo paso. `preparacion`: el lakehouse no responde.
2. `ingesta` con código 3: el origen no pasa los controles nombrados; corregir allí y limpiar la tarea (Clear).
3. `frescura` o `fuentes`: la carga es vieja o está incompleta; revisar `ingesta` antes de seguir.
4. Otro fallo: los pasos son idempotentes; limpiar la tarea (Clear) repite solo ese paso y los siguientes.
5. Si empezó con una versión nueva: `datavision rollback pipeline_suscripciones`.
"""

from datetime import timedelta

from airflow.sdk import chain, cross_downstream, dag, task

from datavision.alerts import late_alert
from datavision.dags import MARTS, cron, dag_defaults, ingesta_command, tables, transformacion_command
from datavision.fargate import fargate_session
from datavision.source_tables import SOURCE_TABLES


@dag(
    schedule=cron("0 9 * * *"),
    doc_md=__doc__,
    tags=["diario", "suscripciones"],
    deadline=late_alert(timedelta(hours=1), at="10:00"),
    **dag_defaults(),
)
def pipeline_suscripciones() -> None:
    """Build the daily graph."""

    @task.fargate(
        module="ingesta", execution_timeout=timedelta(minutes=30), outlets=tables("raw_datavision", *SOURCE_TABLES)
    )
    def ingesta() -> list[str]:
        return ingesta_command("--validar-calidad-datos")

    with fargate_session(module="transformacion", idle=timedelta(minutes=5)):

        @task.fargate(execution_timeout=timedelta(minutes=10))
        def preparacion() -> list[str]:
            # The steps' container starts, and loads dbt, while the source is still being read.
            return transformacion_command("doctor")

        @task.fargate(execution_timeout=timedelta(minutes=10))
        def fuentes() -> list[str]:
            return transformacion_command("test", "--select", "source:raw_datavision")

        @task.fargate(execution_timeout=timedelta(minutes=10))
        def frescura() -> list[str]:
            return transformacion_command("source-freshness")

        @task.fargate(execution_timeout=timedelta(minutes=30))
        def staging() -> list[str]:
            return transformacion_command("build", "--select", "staging", "--exclude", "source:raw_datavision")

        @task.fargate(execution_timeout=timedelta(minutes=20))
        def snapshots() -> list[str]:
            return transformacion_command("snapshot")

        @task.fargate(execution_timeout=timedelta(minutes=30), outlets=tables("marts", *MARTS))
        def marts() -> list[str]:
            return transformacion_command("build", "--select", "marts", "--exclude", "fact_rfm")

        @task.fargate(execution_timeout=timedelta(minutes=10))
        def reporte() -> list[str]:
            return transformacion_command("reporte")

    cross_downstream([ingesta(), preparacion()], checks := [fuentes(), frescura()])
    chain(checks, staging(), snapshots(), marts(), reporte())


pipeline_suscripciones()
