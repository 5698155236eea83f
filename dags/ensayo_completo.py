"""# Ensayo de la corrida completa

**Qué hace.** Prueba cada semana lo que la corrida semestral necesita, sin mover un dato. Lanza a la vez los
contenedores fijados (pin) de `pipeline_suscripciones` y `pipeline_fact_rfm`, en su tamaño real: así se ven pins,
imágenes, roles, secretos con valor y cuota. Cada uno corre su `doctor` (origen, lakehouse, destinos, proyecto dbt), y
el de RFM, la selección de modelos.

**Cuándo.** Los lunes a las 06:00 (Buenos Aires). A mano: `datavision run ensayo_completo`.

**Qué escribe.** Nada.

**Si está en rojo.** La próxima corrida semestral fallaría por lo mismo. El final del log de la tarea dice qué falta y
cómo se arregla; después, limpiar la tarea (Clear). Si el DAG no carga, falta un pin: `datavision release`.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from datavision.dags import cron, dag_defaults, ingesta_command, rfm_selection, transformacion_command


@dag(schedule=cron("0 6 * * 1"), doc_md=__doc__, tags=["ensayo"], **dag_defaults())
def ensayo_completo() -> None:
    """Build the graph."""

    @task.fargate(module="ingesta", pin_of="pipeline_suscripciones", execution_timeout=timedelta(minutes=10))
    def ingesta() -> list[str]:
        return ingesta_command("doctor")

    @task.fargate(module="transformacion", pin_of="pipeline_suscripciones", execution_timeout=timedelta(minutes=10))
    def transformacion() -> list[str]:
        return transformacion_command("doctor")

    @task.fargate(module="transformacion", pin_of="pipeline_fact_rfm", execution_timeout=timedelta(minutes=10))
    def seleccion_rfm() -> list[str]:
        return ["transformacion", "list", "--select", *rfm_selection()]

    ingesta()
    transformacion()
    seleccion_rfm()


ensayo_completo()
