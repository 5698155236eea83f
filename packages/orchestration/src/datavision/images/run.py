"""Builds images outside a release, and runs commands in them."""

from collections.abc import Callable, Sequence

from datavision.config import Config
from datavision.images.builders import Builder, EngineChoice, open_builder
from datavision.images.errors import ImageError
from datavision.images.recipe import Invocation, Stamp
from datavision.images.source import read_source
from datavision.images.stamp import working_tree_stamp
from datavision.state import project_root, state_dir

UNRELEASED = "0.0.0-dev"
"""Version label of an image that no release made."""


def build_images(
    config: Config, modules: Sequence[str], engine: EngineChoice | None, report: Callable[[str], None]
) -> dict[str, str]:
    """Build `modules` and return what each became: a local image name, or a digest.

    Raises:
        BuildError: a step failed.
        ImageError: there is no such module.
    """
    builder = open_builder(config, project_root(), state_dir(), engine, report)
    return {module: builder.describe(_build(builder, config, module, report)) for module in modules}


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
    if module not in config.modules:
        raise ImageError(f"There is no module {module!r}. Use one of: {', '.join(config.modules)}.")
    report(f"building {module}")
    stamp: Stamp = working_tree_stamp(project_root(), UNRELEASED)
    return builder.build(read_source(project_root(), module), stamp)
