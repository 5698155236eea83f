"""What the engine needs from a runtime."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fargate_local.protocol.plan import ContainerPlan, TaskPlan

SendSignal = Callable[[str, signal.Signals], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is ready to run. `place` is what the runtime needs to find it again.

    `size` is what it takes of the task's storage, compressed and uncompressed, in bytes; 0 where nobody knows.
    """

    digest: str | None
    place: str
    config: dict[str, Any]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Spawn:
    """A command to start. `limit` and `group_limit` are bytes of memory for the container and its whole task.

    `places` maps the container's paths to this machine's. A `probe` runs beside its container: what it leaves running
    is identified by its session only.
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
    """How a container's foreground command ended."""

    code: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended. `never_ran` is ECS's reason if it did not even start."""

    code: int
    out_of_memory: bool = False
    never_ran: str | None = None


class OwnRegistry(Protocol):
    """This server's registry, as engines see it."""

    @property
    def host(self) -> str:
        """Its name in references to images."""

    def has(self, region: str, repository: str, digest: str) -> bool:
        """Return whether an image can be pulled from it."""

    def credentials(self, region: str) -> str:
        """Return what an engine's file of credentials holds for it."""


class Runtime(Protocol):
    """Runs containers.

    `pull`, `connect`, `release`, and `judge` where `judges_slowly`, may block; the others must not.
    """

    judges_slowly: bool
    writes_in_order: bool
    """Whether the foreground command writes to standard output and error in the order that the container does."""
    has_networks: bool
    """Whether each task has a network of its own."""

    def pull(self, region: str, reference: str) -> Image:
        """Pull an image.

        Raises:
            StartError: It cannot be had; the text is ECS's.
        """

    def connect(self, task: TaskPlan) -> None:
        """Give a task its network and volumes, before its containers; if it has either. May block.

        Raises:
            StartError: It cannot have them.
        """

    def spawn(self, task: TaskPlan, container: ContainerPlan, image: Image, environment: dict[str, str]) -> Spawn:
        """Return the command that runs the container in the foreground."""

    def probe(self, ident: str, spawn: Spawn, argv: tuple[str, ...], environment: dict[str, str]) -> Spawn:
        """Return the command that runs `argv` beside a container that `spawn` has started."""

    def release(self, task: TaskPlan) -> None:
        """Remove the volumes and the network of a task that has ended. May block."""

    def send_signal(self, ident: str, number: signal.Signals, send: SendSignal) -> None:
        """Signal a running container. `send` signals the foreground command."""

    def cannot_start(self, spawn: Spawn, errno: int, message: str) -> str:
        """Return ECS's reason for a foreground command that could not be executed."""

    def judge(self, ident: str, container: ContainerPlan, end: Exit, *, asked_to_stop: bool) -> Ending:
        """Interpret how the foreground command ended, and clean up after the container. May block."""

    def end_leftovers(self) -> None:
        """Remove what an earlier server that crashed left behind."""

    def close(self) -> None:
        """Remove what all tasks share, when none is left."""
