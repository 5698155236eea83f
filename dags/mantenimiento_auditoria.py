"""# Mantenimiento: auditoría

**Qué hace.** Lleva al lakehouse los registros de auditoría: qué corrió, para quién, cómo terminó y cuánto costó; y
quién publicó, promovió o volvió atrás qué, y por qué. Agrega lo nuevo y completa lo que no había terminado.

**Cuándo.** Todos los días a las 11:00 (Buenos Aires), después de la carga diaria.

**Qué escribe.** `auditoria.lanzamientos`, `auditoria.publicaciones`.

**Si está en rojo.** Los registros siguen en S3 y nadie puede borrarlos: limpiar la tarea (Clear) trae lo que falte. El
final del log dice la causa. Código 2 en un lakehouse nuevo: correr primero `pipeline_suscripciones`.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from datavision.dags import cron, dag_defaults, tables, transformacion_command


@dag(schedule=cron("0 11 * * *"), doc_md=__doc__, tags=["mantenimiento"], **dag_defaults())
def mantenimiento_auditoria() -> None:
    """Build the graph."""

    @task.fargate(
        module="transformacion",
        pin_of="pipeline_suscripciones",
        execution_timeout=timedelta(minutes=20),
        outlets=tables("auditoria", "lanzamientos", "publicaciones"),
    )
    def auditoria() -> list[str]:
        return transformacion_command("build", "--select", "auditoria")

    auditoria()


mantenimiento_auditoria()
