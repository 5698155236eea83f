"""`with fargate_session(module=…):` in a DAG file: the tasks of the block share containers."""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import timedelta
from typing import Any, Self

from airflow.sdk.definitions.mappedoperator import MappedOperator

from datavision.config import Capacity
from datavision.errors import ConfigError
from datavision.fargate.sharing.session import IDLE_SECONDS, Session

_current: "ContextVar[FargateSession | None]" = ContextVar("fargate_session", default=None)
_OF_THE_CONTAINER = ("size", "cpu", "memory", "max_memory", "capacity", "image", "aws_conn_id")


class FargateSession:
    """The block in which tasks share containers."""

    def __init__(self, module: str, name: str, idle: timedelta, container: Mapping[str, Any]) -> None:
        self._module = module
        self._name = name
        self._idle = idle
        self._container = container
        self._token: Token[FargateSession | None] | None = None

    def __enter__(self) -> Self:
        if _current.get() is not None:
            raise ConfigError("A fargate_session cannot be opened inside another. Close the outer block first.")
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token:
            _current.reset(self._token)

    def arguments(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a task of the block gets.

        Raises:
            ConfigError: It has another module, or arguments that are the container's.
        """
        if task.get("module", self._module) != self._module:
            raise ConfigError(
                f"A task of {task['module']!r} cannot run in the containers of {self._module!r}. Move it out of the "
                "fargate_session, or open one for its module."
            )
        if wrong := [name for name in _OF_THE_CONTAINER if name in task]:
            raise ConfigError(f"The tasks of a fargate_session share {', '.join(wrong)}. Give it to the session.")
        session = {"name": self._name, "idle_seconds": self._idle.total_seconds()}
        return {"module": self._module, "session": session, **self._container}


def fargate_session(
    module: str,
    *,
    name: str | None = None,
    idle: timedelta = timedelta(seconds=IDLE_SECONDS),
    size: str | None = None,
    cpu: int | None = None,
    memory: int | None = None,
    max_memory: int | None = None,
    capacity: Capacity | None = None,
    image: Mapping[str, str] | None = None,
    aws_conn_id: str | None = None,
) -> FargateSession:
    """Make the `@task.fargate` tasks of the block steps of shared containers.

    The first step that is due launches a container; the others run in it, side by side where the DAG lets them. It
    ends after the last step, or when none comes for `idle`. Each step remains a task of its own.

    Args:
        module: Of all tasks of the block.
        name: Of the session, where a DAG has several of one module; the module's name when not given.
        idle: How long a container waits for the next step, for instance while a retry is due.
        size: As in `FargateOperator`, like all that follow: they are the container's.
        cpu: CPU units.
        memory: MiB.
        max_memory: MiB.
        capacity: "on-demand", "spot" or "spot-then-on-demand".
        image: Instead of the pin's.
        aws_conn_id: Airflow connection.
    """
    given = {
        "size": size,
        "cpu": cpu,
        "memory": memory,
        "max_memory": max_memory,
        "capacity": capacity,
        "image": image,
        "aws_conn_id": aws_conn_id,
    }
    return FargateSession(module, name or module, idle, {k: v for k, v in given.items() if v is not None})


def current_session() -> FargateSession | None:
    """Return the session whose block is open, or None."""
    return _current.get()


def session_of(operator: Any) -> Session:
    """Return the session of a task as its DAG defines it.

    Args:
        operator: The task's operator.
    """
    own: Mapping[str, Any] = operator.session
    members = {task.task_id: task for task in _tasks(operator) if (_settings(task) or {}).get("name") == own["name"]}
    leaves = [task for task in members.values() if not task.downstream_task_ids & members.keys()]
    # How many instances a mapped task will have is not known: such a container ends when it is idle.
    countable = not any(isinstance(task, MappedOperator) for task in leaves)
    return Session(
        name=own["name"],
        idle_seconds=own["idle_seconds"],
        tasks=tuple(sorted(members)),
        ends_after=tuple(sorted(task.task_id for task in leaves)) if countable else (),
    )


def _tasks(operator: Any) -> list[Any]:
    return list(operator.dag.tasks) if operator.has_dag() else [operator]


def _settings(task: Any) -> Mapping[str, Any] | None:
    found = task.partial_kwargs.get("session") if isinstance(task, MappedOperator) else getattr(task, "session", None)
    return found if isinstance(found, Mapping) else None
