"""`datavision release` and `datavision promote`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from datavision.cli.connect import environment, images_in_flight
from datavision.cli.options import AsJson, Env, Push
from datavision.cli.output import out, step
from datavision.cli.tables import Digest, show_table
from datavision.config import load
from datavision.images.builders import EngineChoice
from datavision.pins import PinnedImage
from datavision.release.pins.remotes import push_pins
from datavision.release.plan import Plan
from datavision.release.promote import promote as promote_pins
from datavision.release.release import plan as plan_release
from datavision.release.release import release as make_release
from datavision.release.versions import Bump


def release(
    env: Env,
    bump: Annotated[Bump, typer.Option(help="Which part of the version to increment.")] = "patch",
    engine: Annotated[
        EngineChoice | None, typer.Option(help="Build with this engine instead of the configured one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done without doing it.")] = False,
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Build what changed, push it, scan it, test it as a real task, and pin every pipeline to it.

    A release that died halfway is finished by running it again; until its last step nothing that runs changes.

    Example: datavision release --env dev --bump minor
    """
    with environment(env) as config:
        if dry_run:
            _print_plan(plan_release(config, bump=bump, engine=engine), as_json=as_json)
            return
        in_flight = partial(images_in_flight, config)
        done = make_release(config, bump=bump, engine=engine, report=step, in_flight=in_flight)
        if push:
            step(f"pushed to {push_pins(config, f'v{done.version}')}")
    if as_json:
        out.print_json(json.dumps(asdict(done), default=_plain))
    else:
        show_table(f"release {done.version} of {done.env}", IMAGES, _images(done.images))


def promote(
    source: Annotated[str, typer.Option("--from", help="The environment to take the images from.")],
    target: Annotated[str, typer.Option("--to", help="The environment to pin them in.")],
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Pin exactly the images that run in one environment in another.

    Example: datavision promote --from dev --to prod
    """
    origin, destination = load(source), load(target)
    done = promote_pins(origin, destination, report=step)
    if push:
        step(f"pushed to {push_pins(destination)}")
    if as_json:
        out.print_json(json.dumps({**asdict(done), "pins": {k: v.model_dump() for k, v in done.pins.items()}}))
        return
    rows = [(name, pin.version, *row) for name, pin in done.pins.items() for row in _images(pin.images)]
    show_table(f"promoted to {target}", ("pipeline", "version", *IMAGES), rows)
    if not done.pins:
        step(f"nothing to promote: {target} has what {source} has")


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    released = plan.previous.version if plan.previous else None
    if as_json:
        modules = {m.module: {"digest": m.image.digest if m.image else None, "tag": m.source_tag} for m in plan.modules}
        out.print_json(json.dumps({"env": plan.env, "released": released, "version": plan.version, "modules": modules}))
        return
    rows = []
    for module in plan.modules:
        before = plan.previous_images.get(module.module)
        fate = "build" if module.image is None else "keep" if before and before.digest == module.image.digest else "pin"
        rows.append((module.module, before.tag if before else "", fate))
    show_table(f"{plan.env}: {released or 'nothing'} → {plan.version}", ("module", "now", "then"), rows)


IMAGES = ("module", "tag", "digest", "task definition")


def _images(images: Mapping[str, PinnedImage]) -> list[tuple[str | Digest, ...]]:
    return [(name, i.tag, Digest(i.digest), i.task_definition) for name, i in sorted(images.items())]


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, PinnedImage) else str(value)
