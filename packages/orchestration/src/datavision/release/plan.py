"""What a release would do: worked out first, changing nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datavision.config import Config
from datavision.images.builders import Builder
from datavision.images.recipe import source_tag
from datavision.images.registry import RegisteredImage, Registry
from datavision.images.source import ModuleSource, read_source
from datavision.pins import Pin, PinnedImage, parse_pin
from datavision.release import versions
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import current_pins, last_release
from datavision.release.pins.places import TAG_PREFIX, path_in_repository, pinned_names, released_images


@dataclass(frozen=True)
class ModulePlan:
    """One module: its source, and the image built from it, if there is one."""

    source: ModuleSource
    repository: str
    source_tag: str
    image: RegisteredImage | None

    @property
    def module(self) -> str:
        """The module's name."""
        return self.source.module


@dataclass(frozen=True)
class Plan:
    """A release before it starts."""

    env: str
    version: str
    """Of the release, should there be something to release."""
    previous: Pin | None
    """What the newest release of this environment pinned."""
    pins: Mapping[str, Pin]
    """What is pinned now, by pipeline."""
    names: tuple[str, ...]
    """What will be pinned: the pipelines, and Airflow itself where CloudFormation makes it."""
    modules: tuple[ModulePlan, ...]

    @property
    def previous_images(self) -> Mapping[str, PinnedImage]:
        """The images of the newest release, by module; empty when there is none."""
        return self.previous.images if self.previous else {}

    @property
    def to_build(self) -> tuple[str, ...]:
        """Modules whose image does not exist yet."""
        return tuple(m.module for m in self.modules if m.image is None)


def make_plan(config: Config, project: Path, repo: PinRepository, builder: Builder, bump: versions.Bump) -> Plan:
    """Inspect the working tree, the registry and the pins, and return what a release would do.

    Raises:
        UserError: A module, a repository or a pin is not as it must be.
    """
    registry = Registry(config)
    modules = tuple(_module(config, project, registry, builder, name) for name in released_images(config))
    released = versions.latest(tag.removeprefix(TAG_PREFIX) for tag in repo.tags())
    names = tuple(pinned_names(config, project))
    return Plan(
        env=config.env,
        version=versions.next_version(released, bump, lambda version: _taken(registry, modules, version)),
        previous=_previous(repo, config.env, names),
        pins=current_pins(repo, config.env, list(names)),
        names=names,
        modules=modules,
    )


def _module(config: Config, project: Path, registry: Registry, builder: Builder, name: str) -> ModulePlan:
    source = read_source(project, name)
    tag = source_tag(source, builder.recipe())
    repository = config.repository(name)
    image = registry.find(repository, tag=tag)
    if image is not None and not builder.available(image):
        image = None
    return ModulePlan(source, repository, tag, image)


def _taken(registry: Registry, modules: tuple[ModulePlan, ...], version: str) -> bool:
    """Return whether a module's repository has `version` on an image other than the one to be released."""
    for module in modules:
        present = registry.find(module.repository, tag=version)
        if present is not None and (module.image is None or present.digest != module.image.digest):
            return True
    return False


def _previous(repo: PinRepository, env: str, names: tuple[str, ...]) -> Pin | None:
    commit = last_release(repo, env)
    texts = [repo.read(commit, path_in_repository(env, name)) for name in names] if commit else []
    pins = [parse_pin(text, f"{commit}: pin of {env}") for text in texts if text]
    newest = max(pins, key=lambda pin: versions.parse(pin.version) or versions.NONE, default=None)
    if newest is None:
        return None
    same = [pin.images for pin in reversed(pins) if pin.version == newest.version]
    return newest.model_copy(update={"images": {name: image for images in same for name, image in images.items()}})
