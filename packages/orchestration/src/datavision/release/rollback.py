"""Takes one pipeline, or Airflow itself, back to an earlier release, or forward again."""

from collections.abc import Callable
from dataclasses import dataclass

from datavision.config import Config
from datavision.images.builders import Builder, open_builder
from datavision.images.registry import Registry
from datavision.infra import move_airflow
from datavision.pins import AIRFLOW, Pin, PinnedImage
from datavision.release.errors import ReleaseError
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import current_pins, find_version, history
from datavision.release.pins.lock import locked
from datavision.release.pins.places import repository, require_pinned
from datavision.release.pins.record import record_pins
from datavision.release.pins.store import PinChange, commit_pins, finish_checkout, now
from datavision.state import project_root, state_dir
from datavision.task_definitions import TaskDefinitions


@dataclass(frozen=True)
class Rollback:
    """The result of a rollback."""

    pipeline: str
    before: str | None
    """The version pinned until now."""
    pin: Pin
    commit: str
    registered: tuple[str, ...]
    """Task definition revisions that had to be registered again."""


def rollback(
    config: Config,
    pipeline: str,
    version: str,
    *,
    reason: str = "",
    who: str | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Rollback:
    """Pin `pipeline` to `version`, which it had before; no other pipeline and no run in flight changes.

    The pin names `who`, by default git's user. Airflow's services are moved to the image of its pin.

    Raises:
        InfraError: Airflow's services did not stay up with that image.
        UnknownRelease: The pipeline never had that version.
        ReleaseError: An image of that version is gone.
        LockedError: A release, promotion or another rollback is under way.
    """
    project = project_root()
    require_pinned(config, project, pipeline)
    repo = repository(config)
    finish_checkout(repo)
    done = _rollback(config, repo, pipeline, version, reason, who, report)
    if pipeline == AIRFLOW:
        move_airflow(config, report=report)
    return done


def _rollback(
    config: Config,
    repo: PinRepository,
    pipeline: str,
    version: str,
    reason: str,
    who: str | None,
    report: Callable[[str], None],
) -> Rollback:
    with locked(config, f"A rollback of {pipeline}"):
        target = find_version(history(repo, config.env, pipeline), pipeline, version)
        builder = open_builder(config, project_root(), state_dir())
        for module, image in target.images.items():
            report(f"{module}: {image.repository}@{image.digest[:19]}")
            require_image(config, builder, target.version, image)
        images, registered = _runnable(config, target, report)
        before = current_pins(repo, config.env, [pipeline]).get(pipeline)
        if before is not None and before.version == target.version and dict(before.images) == images:
            report(f"{pipeline} is on {target.version} already")
            return Rollback(pipeline, before.version, before, str(repo.head()), registered)
        return _pin(
            config, repo, pipeline, before, replace_images(target, who or repo.identity(), reason, images), registered
        )


def require_image(config: Config, builder: Builder, version: str, image: PinnedImage) -> None:
    """Check that the image exists, by digest, with its content.

    Raises:
        ReleaseError: It is gone.
    """
    present = Registry(config).find(image.repository, digest=image.digest)
    if present is None or not builder.available(present):
        raise ReleaseError(
            f"{image.repository}@{image.digest} of release {version} is gone from the registry of {config.env}. "
            f"Choose another version (`datavision history PIPELINE --env {config.env}`), or release its commit again."
        )


def replace_images(pin: Pin, who: str, reason: str, images: dict[str, PinnedImage]) -> Pin:
    """Return `pin` with `images`, written now by `who` with `reason`."""
    return pin.model_copy(
        update={"pinned_at": now(), "pinned_by": who, "reason": reason or "rollback", "images": images}
    )


def _runnable(
    config: Config, target: Pin, report: Callable[[str], None]
) -> tuple[dict[str, PinnedImage], tuple[str, ...]]:
    definitions = TaskDefinitions(config)
    images, registered = {}, []
    for module, image in target.images.items():
        if definitions.runs(image.task_definition, image.digest):
            images[module] = image
            continue
        name = definitions.ensure(module, image.repository, image.digest)
        report(f"{image.task_definition} is no longer active: {name} replaces it")
        registered.append(name)
        images[module] = image.model_copy(update={"task_definition": name})
    return images, tuple(registered)


def _pin(
    config: Config, repo: PinRepository, pipeline: str, before: Pin | None, pin: Pin, registered: tuple[str, ...]
) -> Rollback:
    change = PinChange(
        env=config.env,
        pins={pipeline: pin},
        # A reason of several lines must not write trailers.
        title=f"Pin {pipeline} in {config.env} to {pin.version}: {' '.join(pin.reason.split())}",
        action="rollback",
        release=pin.version,
    )
    commit = commit_pins(repo, change)
    record_pins(config, repo, change.pins)
    return Rollback(pipeline, before.version if before else None, pin, commit, registered)
