"""Builds images outside a release, and runs commands in them."""

from collections.abc import Callable, Sequence

from datavision.config import Config
from datavision.images.builders import Builder, EngineChoice, open_builder
from datavision.images.errors import ImageError
from datavision.images.recipe import Invocation, source_tag
from datavision.images.registry import Registry
from datavision.images.source import ModuleSource, read_source
from datavision.images.stamp import working_tree_stamp
from datavision.pins import AIRFLOW
from datavision.state import project_root, state_dir

UNRELEASED = "0.0.0-dev"
"""Version label of an image built outside a release."""


def build_images(
    config: Config, modules: Sequence[str], engine: EngineChoice | None, report: Callable[[str], None]
) -> dict[str, str]:
    """Build `modules` and return the name of each: a local image name, or a digest.

    Raises:
        BuildError: A step failed.
        ImageError: There is no such module.
    """
    builder = open_builder(config, project_root(), state_dir(), engine, report)
    return {module: builder.describe(_build(builder, config, module, report)) for module in modules}


def push_image(config: Config, module: str, engine: EngineChoice | None, report: Callable[[str], None]) -> str:
    """Build `module`, push it under its source tag, and return `registry/repository@digest` as the registry has it.

    An image already pushed from the same source is neither built nor pushed again.
    """
    builder = open_builder(config, project_root(), state_dir(), engine, report)
    source = _source(builder, config, module)
    repository, tag = config.repository(module), source_tag(source, builder.recipe())
    image = Registry(config).find(repository, tag=tag)
    if image is None or not builder.available(image):
        image = builder.push(_build(builder, config, module, report), repository, tag)
    return config.image_reference(repository, image.digest)


def run_command(
    config: Config,
    module: str,
    command: Sequence[str],
    engine: EngineChoice | None,
    report: Callable[[str], None],
) -> Invocation:
    """Build `module` and return how to run `command` in it."""
    builder = open_builder(config, project_root(), state_dir(), engine, report)
    return builder.invocation(_build(builder, config, module, report), command)


def _build(builder: Builder, config: Config, module: str, report: Callable[[str], None]) -> str:
    source = _source(builder, config, module)
    report(f"building {module}")
    return builder.build(source, working_tree_stamp(project_root(), UNRELEASED))


def _source(builder: Builder, config: Config, module: str) -> ModuleSource:
    known = (*config.modules, AIRFLOW)
    if module not in known:
        raise ImageError(f"There is no image {module!r}. Use one of: {', '.join(known)}.")
    if module == AIRFLOW and builder.engine == "process":
        raise ImageError("Airflow's image is for containers; the local Airflow does not use one. Use --engine podman.")
    return read_source(project_root(), module)
