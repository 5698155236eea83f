"""`datavision image`: build, run and prune module images."""

import json
import subprocess
from typing import Annotated

import typer

from datavision.cli.connect import environment, images_in_flight
from datavision.cli.options import PLAIN, AsJson, Env
from datavision.cli.output import out, step
from datavision.cli.tables import Digest, show_table
from datavision.config import load
from datavision.images.base import move_base_image
from datavision.images.builders import EngineChoice
from datavision.images.run import build_images, push_image, run_command
from datavision.process_environment import ProcessEnvironment
from datavision.release.gates.lock import audit_lock
from datavision.release.registry.prune import prune as prune_registry
from datavision.state import project_root

app = typer.Typer(help="Module images: build, run, prune.", **PLAIN)
Engine = Annotated[EngineChoice | None, typer.Option(help="Use this engine instead of the configured one.")]


@app.command()
def build(
    env: Env,
    module: Annotated[str | None, typer.Argument(help="A module, or airflow. Default: all modules.")] = None,
    engine: Engine = None,
) -> None:
    """Build module images without pushing them; an image already built from the same source is kept.

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
    """Build an image and push it, outside a release; print its name by digest.

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
    """Run a command in a module's image, built first if its source changed; the exit code is the command's.

    Example: datavision image run transformacion -- transformacion --help
    """
    with environment(env) as config:
        how = run_command(config, module, command, engine, step)
        done = subprocess.run(
            how.arguments, env={**ProcessEnvironment.current().inherited, **how.variables}, cwd=how.folder, check=False
        )
    raise typer.Exit(done.returncode)


@app.command()
def base(env: Env) -> None:
    """Move the base image: write the digest that its tag has today into the environment's configuration.

    Example: datavision image base --env dev
    """
    before, after = move_base_image(load(env))
    step(f"{before} stays" if before == after else f"{before} → {after} in config/{env}.toml; commit it and release")


@app.command()
def audit(
    service: Annotated[str | None, typer.Option(help="Another database than osv.dev, with the same API.")] = None,
) -> None:
    """Hold uv.lock against the known vulnerabilities, but for those in infra/scan-allowed.toml.

    Example: datavision image audit
    """
    out.print(audit_lock(project_root(), service), soft_wrap=True, markup=False)


@app.command()
def prune(
    env: Env,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it they are only listed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show or delete the images that no pin, rollback window, upcoming run or running task needs.

    Example: datavision image prune --env prod --delete
    """
    with environment(env) as config:
        done = prune_registry(config, delete=delete, in_flight=lambda: images_in_flight(config))
    if as_json:
        listed = [{"repository": i.repository, "digest": i.digest, "tags": i.tags} for i in done.removable]
        found = {"deleted": delete, "removable": listed, "freed": done.freed, "kept": dict(done.kept)}
        out.print_json(json.dumps(found))
        return
    rows = [
        (i.repository, Digest(i.digest), ", ".join(i.tags), f"{i.pushed_at:%Y-%m-%d}", f"{i.size / 2**20:.1f}")
        for i in done.removable
    ]
    title = "deleted" if delete else "can be deleted"
    show_table(title, ("repository", "digest", "tags", "pushed", "MiB"), rows, right=("MiB",))
    step(done.summary)
