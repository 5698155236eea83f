"""# Segmentación RFM

**Qué hace.** Calcula `fact_rfm` para una fecha y actualiza lo que depende de ella (`dim_cuentas`); luego rehace el
reporte. Varias fechas conviven; correr una fecha otra vez la reemplaza.

**Cuándo.** A pedido, con formulario; `pipeline_completo` la corre el 1 de enero y el 1 de julio.

**Formulario.** `fecha_rfm` (vacía: el día de la ejecución), `modelos` (de la lista, u otra selección de dbt),
`reconstruir` (recalcula todas las fechas) y `release` (vacío: la versión fijada).

**Qué escribe.** `marts.segmentos_rfm`, `marts.fact_rfm`, `marts.dim_cuentas` y el reporte.

**Si está en rojo.**
1. Código 2: la fecha o los modelos del formulario no son válidos; lanzar otra ejecución con los correctos.
2. Código 3: falló una prueba de los datos, nombrada en el log. Si falta una carga: correr `pipeline_suscripciones`.
3. Otro fallo: limpiar la tarea (Clear); repetir una fecha no duplica nada.
4. Si empezó con una versión nueva: `datavision rollback pipeline_fact_rfm`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from datavision.dags import (
    RFM_MODELS,
    dag_defaults,
    day_field,
    models_field,
    rfm_selection,
    run_day,
    tables,
    transformacion_command,
)
from datavision.fargate import fargate_session

DEFAULTS = dag_defaults()
FORM = {
    "fecha_rfm": day_field("Fecha RFM", "Fecha de la segmentación, como 2026-07-01; vacía: el día de la ejecución."),
    "modelos": models_field(RFM_MODELS, "fact_rfm", "fact_rfm dim_cuentas", "dim_cuentas"),
    "reconstruir": Param(
        default=False, type="boolean", title="Reconstruir", description="Recalcula desde cero todas las fechas."
    ),
}


@dag(schedule=None, doc_md=__doc__, tags=["a pedido", "rfm"], **DEFAULTS | {"params": FORM | DEFAULTS["params"]})
def pipeline_fact_rfm() -> None:
    """Build the graph."""
    with fargate_session(module="transformacion"):

        @task.fargate(
            execution_timeout=timedelta(hours=1), outlets=tables("marts", "segmentos_rfm", "fact_rfm", "dim_cuentas")
        )
        def fact_rfm(params: dict[str, Any], dag_run: Any) -> list[str]:
            selection, day = rfm_selection(params["modelos"]), params["fecha_rfm"] or run_day(dag_run)
            options = ["--select", *selection, "--fecha-rfm", str(day)]
            return transformacion_command("build", *options, *(["--reconstruir"] if params["reconstruir"] else []))

        @task.fargate(execution_timeout=timedelta(minutes=10))
        def reporte() -> list[str]:
            return transformacion_command("reporte")

    fact_rfm() >> reporte()


pipeline_fact_rfm()
