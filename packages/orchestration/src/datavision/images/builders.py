"""Chooses how images are built: with docker, podman, or as folders for the `process` runtime."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from datavision.config import Config
from datavision.environment import Environment
from datavision.images.containers import ContainerBuilder
from datavision.images.errors import ImageError
from datavision.images.process import ProcessBuilder
from datavision.images.recipe import Invocation, Stamp
from datavision.images.registry import RegisteredImage, Registry
from datavision.images.source import ModuleSource

EngineChoice = Literal["auto", "docker", "podman", "process"]


class Builder(Protocol):
    """Builds a module's image and pushes it."""

    engine: str

    def recipe(self) -> dict[str, str]:
        """Return what determines a build's outcome besides the source."""

    def build(self, source: ModuleSource, stamp: Stamp) -> str:
        """Build and return a handle for `push`.

        Raises:
            BuildError: A step failed; the text is its output.
        """

    def push(self, built: str, repository: str, tag: str) -> RegisteredImage:
        """Push what `build` returned and return the image as the registry has it."""

    def describe(self, built: str) -> str:
        """Return the build's name for people: a local image name, or a digest."""

    def invocation(self, built: str, command: Sequence[str]) -> Invocation:
        """Return how to run `command` in what `build` returned."""

    def available(self, image: RegisteredImage) -> bool:
        """Return whether the image's content exists, not only its record in the registry."""

    def discard(self, digest: str) -> int:
        """Remove this machine's copy of an image that was deleted from the registry; return the bytes freed."""

    def tidy(self, keep: int) -> int:
        """Remove what builds left behind, except the newest `keep` of each kind; return the bytes freed."""


def open_builder(
    config: Config,
    project: Path,
    state: Path,
    choice: EngineChoice | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Builder:
    """Return the builder of the configured engine, or of `choice`; `report` gets the steps of long builds.

    Raises:
        ImageError: The engine is not there, or cannot serve this environment.
    """
    engine = _resolve(config, choice or config.images.engine)
    registry = Registry(config)
    if engine == "process":
        if not Environment(config).runs_folders:
            raise ImageError(
                f"The process engine builds images for the embedded cloud only; {config.env} runs on AWS. "
                "Use --engine docker or --engine podman."
            )
        return ProcessBuilder(project, state, registry)
    return ContainerBuilder(config, project, registry, engine, report)


def _resolve(config: Config, choice: EngineChoice) -> Literal["docker", "podman", "process"]:
    if choice == "process":
        return choice
    candidates: tuple[Literal["docker", "podman"], ...] = ("podman", "docker") if choice == "auto" else (choice,)
    for engine in candidates:
        if _answers(engine):
            return engine
    if choice == "auto" and Environment(config).runs_folders:
        return "process"
    raise ImageError(
        f"No container engine answers (tried: {', '.join(candidates)}). Install podman or start Docker, "
        "and check with `docker info` or `podman info`."
    )


def _answers(engine: str) -> bool:
    if shutil.which(engine) is None:
        return False
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
