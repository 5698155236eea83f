"""What a task is going to run, worked out before anything starts."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where the lines of a container go."""

    group: str
    stream: str
    region: str
    create_group: bool = False


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One container. ``memory`` is in bytes, ``stop_timeout`` in seconds; ``secrets`` maps names to ``valueFrom``."""

    name: str
    image: str
    essential: bool = True
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    depends_on: tuple[tuple[str, str], ...] = ()
    working_directory: str | None = None
    user: str | None = None
    stop_timeout: float = 30.0
    memory: int | None = None
    cpu: int = 0
    read_only: bool = False
    logs: LogTarget | None = None


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task. ``memory`` is in bytes, ``cpu`` in units of 1/1024 vCPU."""

    arn: str
    region: str
    cluster: str
    family: str
    revision: int
    capacity: str
    cpu: int
    memory: int
    role: str | None
    containers: tuple[ContainerPlan, ...]

    @property
    def task_id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[-1]
