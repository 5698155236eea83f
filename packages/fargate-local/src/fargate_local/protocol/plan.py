"""What a task is going to run, worked out before anything starts."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where a container's lines go."""

    group: str
    stream: str
    region: str
    create_group: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that tells whether a container is healthy. Times are in seconds."""

    argv: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """A container is restarted if it ran for `period` seconds and its exit code is not an expected one."""

    period: float
    expected: frozenset[int] = frozenset()

    def holds(self, exit_code: int, seconds_run: float) -> bool:
        """Return whether a container that ended like this is restarted."""
        return exit_code not in self.expected and seconds_run >= self.period


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume of the task, mounted at a path in a container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One container.

    `memory` is in bytes, `stop_timeout` and `start_timeout` in seconds; `secrets` maps names to `valueFrom`,
    `ulimits` names of limits to (soft, hard); `environment_files` are ARNs of S3.
    """

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
    environment_files: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ulimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    health: HealthCheck | None = None
    restart: RestartPolicy | None = None
    start_timeout: float | None = None
    added_capabilities: tuple[str, ...] = ()
    dropped_capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task.

    ``memory`` and ephemeral ``storage`` are in bytes, ``cpu`` in units of 1/1024 vCPU; ``public`` is a public address,
    ``address`` that of its interface in the VPC ``vpc``.
    """

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
    execution_role: str | None = None
    subnet: str = ""
    groups: tuple[str, ...] = ()
    public: bool = False
    vpc: str = ""
    address: str = ""
    storage: int = 20 * 1024**3

    @property
    def task_id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[-1]
