"""What a failure means and what to do, for who is on call: an entry for each class of the failure table."""

from dataclasses import dataclass
from typing import Final

from datavision.fargate.outcome.classify import Outcome


@dataclass(frozen=True)
class Cause:
    """One class of failures."""

    what: str
    """Follows the task's name: "ingesta …"."""
    step: str
    """The next step; `{env}` is filled in."""


_RETRIED: Final = "Airflow ya agotó sus reintentos: limpiar la tarea (Clear) la corre otra vez."
CAUSES: Final = {
    Outcome.FAILED_START: Cause(
        "no pudo arrancar",
        f"{_RETRIED} Si se repite, revisar las direcciones libres de las subredes y el camino a ECR y Secrets Manager: "
        "datavision doctor --env {env}.",
    ),
    Outcome.PERMANENT_START: Cause(
        "no puede arrancar así como está",
        "Correr datavision doctor --env {env} y datavision pins: falta la imagen, un secreto, un rol o el grupo de "
        "logs. Después, limpiar la tarea (Clear).",
    ),
    Outcome.DIGEST: Cause(
        "corrió una imagen distinta de la fijada y se detuvo",
        "Alguien movió la etiqueta en el registro o cambió la definición de tarea. datavision pins muestra la "
        "diferencia; datavision release --env {env} la corrige. Después, limpiar la tarea (Clear).",
    ),
    Outcome.SPOT: Cause(
        "perdió su lugar en Spot una y otra vez",
        f'{_RETRIED} Para las tareas que no pueden esperar: capacity = "spot-then-on-demand".',
    ),
    Outcome.MEMORY: Cause(
        "se quedó sin memoria",
        "No hay un tamaño mayor permitido: subir max_memory del módulo en config/{env}.toml, o bajar lo que la tarea "
        "necesita. Después, limpiar la tarea (Clear).",
    ),
    Outcome.TIMEOUT: Cause(
        "tardó más de lo permitido y se detuvo",
        f"{_RETRIED} Si cada día tarda más, subir execution_timeout o el tamaño en el DAG.",
    ),
    Outcome.BUSINESS: Cause(
        "falló",
        f"Las últimas líneas del log dicen por qué. {_RETRIED} Los pasos son idempotentes.",
    ),
    Outcome.USAGE: Cause(
        "rechazó sus parámetros o su configuración",
        "Corregir los parámetros de la ejecución, config/{env}.toml o el módulo (y publicar una release). Después, "
        "limpiar la tarea (Clear).",
    ),
    Outcome.QUALITY: Cause(
        "encontró datos que no pasan los controles",
        "Corregir los datos en el origen y limpiar la tarea (Clear). Lo que sigue no corrió.",
    ),
    Outcome.KILLED: Cause(
        "fue detenida desde Airflow",
        "El registro de auditoría de Airflow dice quién la limpió o la marcó.",
    ),
    Outcome.STOPPED: Cause(
        "fue detenida desde fuera de Airflow",
        f"El evento StopTask de CloudTrail dice quién fue. {_RETRIED}",
    ),
    Outcome.LOST: Cause(
        "se perdió: ECS ya no conoce su contenedor y no dejó resultado",
        f"{_RETRIED} Los pasos son idempotentes: no hay nada que ordenar antes.",
    ),
}
UNKNOWN: Final = Cause("falló", "El final del log dice por qué. El runbook está en la pestaña Docs del DAG.")


def cause_of(failure_class: str) -> Cause:
    """Return what to say about a class of the failure table; about any other failure, that the log says it."""
    found = {outcome.value: cause for outcome, cause in CAUSES.items()}
    return found.get(failure_class, UNKNOWN)
