"""`@task.fargate`: one ECS Fargate task per Airflow task, launched once, never lost, explained.

operator → attempt → sharing, waiting → outcome, launching → sizing → edge → identity; each subpackage's docstring says
what it holds. What is not named here is private to this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datavision.fargate.operator.decorator import fargate_task
    from datavision.fargate.operator.operator import FargateOperator
    from datavision.fargate.operator.session import fargate_session
    from datavision.fargate.outcome.errors import (
        BusinessError,
        DigestMismatchError,
        FargateError,
        LaunchError,
        LostTaskError,
        MemoryCeilingError,
        OutOfMemoryError,
        PermanentStartError,
        QualityError,
        RejectedLaunchError,
        ResultError,
        RunError,
        StoppedError,
        TaskTimeoutError,
        UsageError,
    )

__all__ = [
    "BusinessError",
    "DigestMismatchError",
    "FargateError",
    "FargateOperator",
    "LaunchError",
    "LostTaskError",
    "MemoryCeilingError",
    "OutOfMemoryError",
    "PermanentStartError",
    "QualityError",
    "RejectedLaunchError",
    "ResultError",
    "RunError",
    "StoppedError",
    "TaskTimeoutError",
    "UsageError",
    "fargate_session",
    "fargate_task",
]
_HOMES = {
    "FargateOperator": "operator.operator",
    "fargate_session": "operator.session",
    "fargate_task": "operator.decorator",
}


def __getattr__(name: str) -> Any:
    # Imported when used: the command line reads audit records from this package and has no need of Airflow.
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'outcome.errors')}"), name)
