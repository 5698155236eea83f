"""Finds pins that no longer match the registry, their task definition, or what the last run used."""

from collections.abc import Mapping
from dataclasses import dataclass

from datavision.config import Config
from datavision.images.registry import RegisteredImage, Registry
from datavision.infra import airflow_drift
from datavision.pins import AIRFLOW, Pin, PinnedImage
from datavision.release.pins import trailers
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import current_pins, history
from datavision.release.pins.places import path_in_repository
from datavision.release.pins.runs import LastUse, last_uses
from datavision.task_definitions import TaskDefinitions


@dataclass(frozen=True)
class PinState:
    """One pipeline's pin and what is wrong with it (nothing: an empty tuple)."""

    env: str
    pipeline: str
    pin: Pin | None
    since: str
    commit: str
    drift: tuple[str, ...]


def pin_states(config: Config, repo: PinRepository, names: list[str]) -> list[PinState]:
    """Return the state of every pin in `config`'s environment: the pipelines', and Airflow's."""
    return [_state(config, repo, name) for name in names]


def _state(config: Config, repo: PinRepository, pipeline: str) -> PinState:
    entries = history(repo, config.env, pipeline)
    path = path_in_repository(config.env, pipeline)
    text = repo.read("HEAD", path) if repo.head() else None
    if text is None:
        return PinState(config.env, pipeline, None, "", "", ())
    edited = path in repo.dirty_files()
    drift = (
        ["the file was edited by hand and not committed: `git checkout` it, or use `datavision rollback`"]
        if edited
        else []
    )
    if pipeline not in current_pins(repo, config.env, [pipeline]):
        return PinState(
            config.env, pipeline, None, "", "", (*drift, "the pin is malformed: release or roll back again")
        )
    newest = entries[0]
    drift += _by_hand(repo, newest.commit)
    used = last_uses(config, pipeline)
    for module, image in newest.pin.images.items():
        drift += check_image(config, module, image)
        drift += used_otherwise(module, newest.pin, used.get(module))
    if pipeline == AIRFLOW:
        drift += airflow_drift(config)
    return PinState(config.env, pipeline, newest.pin, newest.pin.pinned_at, newest.commit, tuple(drift))


def _by_hand(repo: PinRepository, commit: str) -> list[str]:
    (entry,) = repo.log("-1", commit)
    if trailers.parse(entry.message) is not None:
        return []
    return [f"commit {commit[:9]} ({entry.message.splitlines()[0]}) is not a release, promotion or rollback"]


def check_image(config: Config, module: str, image: PinnedImage) -> list[str]:
    """Return what is wrong with one pinned image, a sentence each."""
    registry = Registry(config)
    return compare(
        module,
        image,
        by_digest=registry.find(image.repository, digest=image.digest),
        by_tag=registry.find(image.repository, tag=image.tag),
        definition=TaskDefinitions(config).describe(image.task_definition) if image.task_definition else None,
    )


def used_otherwise(module: str, pin: Pin, used: LastUse | None) -> list[str]:
    """Return what is wrong when the last run of the pinned release ran another image than the pin names."""
    if used is None or used.release != pin.version or used.digest == pin.images[module].digest:
        return []
    return [f"{module}: the last run ({used.run_id}) used {used.digest[:19]}, not {pin.images[module].digest[:19]}"]


def compare(
    module: str,
    image: PinnedImage,
    *,
    by_digest: RegisteredImage | None,
    by_tag: RegisteredImage | None,
    definition: Mapping[str, str] | None,
) -> list[str]:
    """Return how a pinned image differs from the registry (by digest, by tag) and from its task definition revision."""
    problems = []
    if by_digest is None:
        problems.append(f"{module}: {image.digest[:19]} is gone from the registry")
    if by_tag is None:
        problems.append(f"{module}: tag {image.tag} is gone from the registry")
    elif by_tag.digest != image.digest:
        problems.append(f"{module}: tag {image.tag} was moved to {by_tag.digest[:19]}")
    if not image.task_definition:
        return problems
    if definition is None:
        problems.append(f"{module}: task definition {image.task_definition} does not exist")
    elif definition["status"] != "ACTIVE":
        problems.append(f"{module}: task definition {image.task_definition} is {definition['status']}")
    elif not definition["image"].endswith(f"@{image.digest}"):
        problems.append(f"{module}: task definition {image.task_definition} runs {definition['image']}")
    return problems
