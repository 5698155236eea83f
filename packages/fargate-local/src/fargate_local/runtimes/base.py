"""What the engine asks of a runtime."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fargate_local.protocol.plan import ContainerPlan, TaskPlan

SendSignal = Callable[[str, signal.Signals], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is ready to run. ``place`` is what the runtime needs to find it again."""

    reference: str
    digest: str | None
    place: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spawn:
    """A command to start. ``limit`` and ``group_limit`` are bytes of memory for the container and its whole task.

    ``places`` says where paths of the container are on this machine. A ``probe`` runs beside its container: what it
    leaves running is told by its session only.
    """

    argv: list[str]
    environment: dict[str, str]
    directory: str
    limit: int | None = None
    group_limit: int | None = None
    ulimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended. ``peak_memory`` is in bytes, ``cpu_seconds`` counts all its processes."""

    code: int
    out_of_memory: bool
    peak_memory: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended. ``never_ran`` is ECS's reason when it did not even begin."""

    code: int
    out_of_memory: bool = False
    never_ran: str | None = None


class Runtime(Protocol):
    """Runs containers. ``pull``, ``release``, and ``judge`` where ``judges_slowly``, may block; the others must not."""

    judges_slowly: bool

    def pull(self, region: str, reference: str) -> Image:
        """Make an image ready. Raises StartError with ECS's words."""

    def spawn(self, task: TaskPlan, container: ContainerPlan, image: Image, environment: dict[str, str]) -> Spawn:
        """The command that runs the container in the foreground."""

    def probe(self, ident: str, spawn: Spawn, argv: tuple[str, ...], environment: dict[str, str]) -> Spawn:
        """The command that runs ``argv`` beside a container that ``spawn`` has started."""

    def release(self, task: TaskPlan) -> None:
        """Remove the volumes of a task that has ended. May block."""

    def send_signal(self, ident: str, number: signal.Signals, send: SendSignal) -> None:
        """Signal a running container. ``send`` signals the foreground command."""

    def cannot_start(self, spawn: Spawn, errno: int, message: str) -> str:
        """ECS's reason for a foreground command that could not be executed."""

    def judge(self, ident: str, container: ContainerPlan, end: Exit, *, asked_to_stop: bool) -> Ending:
        """What the end of the foreground command means, and the last of the container cleared away. May block."""

    def end_leftovers(self) -> None:
        """Remove what an earlier server that crashed has left behind."""
