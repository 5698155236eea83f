"""`datavision image`: build, run and prune module images."""

import json
import os
import subprocess
from typing import Annotated

import typer
from rich.table import Table

from datavision.cli.connect import environment
from datavision.cli.options import AsJson, Env
from datavision.cli.output import out, step
from datavision.images.builders import EngineChoice
from datavision.images.run import build_images, push_image, run_command
from datavision.release.registry.prune import prune as prune_registry

app = typer.Typer(help="Module images: build, run, prune.", no_args_is_help=True)
Engine = Annotated[EngineChoice | None, typer.Option(help="Use this instead of the configured one.")]


@app.command()
def build(
    env: Env,
    module: Annotated[str | None, typer.Argument(help="A module, or airflow. Default: all modules.")] = None,
    engine: Engine = None,
) -> None:
    """Build module images and push nothing; what was built from the same source already is left alone.

    Example: datavision image build transformacion --engine podman
    """
    with environment(env) as config:
        for name, reference in build_images(config, [module] if module else list(config.modules), engine, step).items():
            out.print(f"{name}: {reference}", soft_wrap=True)


@app.command()
def push(
    env: Env,
    module: Annotated[str, typer.Argument(help="Which image: a module, or airflow.")],
    engine: Engine = None,
) -> None:
    """Build an image and push it, outside a release; prints its name by digest.

    Example: datavision image push airflow --env dev
    """
    with environment(env) as config:
        out.print(push_image(config, module, engine, step), soft_wrap=True)


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    module: Annotated[str, typer.Argument(help="Which module.")],
    command: Annotated[list[str], typer.Argument(help="The command, after --.", metavar="COMMAND…")],
    env: Env,
    engine: Engine = None,
) -> None:
    """Run a command in a module's image, built first when its source changed; the exit code is the command's.

    Example: datavision image run transformacion -- transformacion --help
    """
    with environment(env) as config:
        how = run_command(config, module, command, engine, step)
        done = subprocess.run(how.arguments, env={**os.environ, **how.variables}, cwd=how.folder, check=False)
    raise typer.Exit(done.returncode)


@app.command()
def prune(
    env: Env,
    delete: Annotated[bool, typer.Option("--delete", help="Really delete; without it nothing is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, or delete, the images that no pin, rollback window, coming run or running task needs.

    Example: datavision image prune --env prod --delete
    """
    with environment(env) as config:
        done = prune_registry(config, delete=delete)
    if as_json:
        rows = [{"repository": i.repository, "digest": i.digest, "tags": i.tags} for i in done.removable]
        out.print_json(json.dumps({"deleted": delete, "removable": rows, "kept": dict(done.kept)}))
        return
    table = Table("image", "tags", "pushed", title="deleted" if delete else "may go", title_justify="left")
    for image in done.removable:
        table.add_row(f"{image.repository}@{image.digest[:19]}", ", ".join(image.tags), f"{image.pushed_at:%Y-%m-%d}")
    out.print(table)
    out.print(f"{len(done.removable)} images, {done.bytes / 2**20:.0f} MiB; {len(done.kept)} are needed.")
    if done.removable and not delete:
        step("nothing was deleted; add --delete")
