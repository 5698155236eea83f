"""``fargate-local serve|env|ui|ps|stats|logs|stop|balancers|faults|iam``."""

import sys
from importlib import metadata
from typing import Annotated

import typer

from fargate_local.cli import balancers, environment, faults, iam, serve, stats, tasks, ui
from fargate_local.cli.output import UserError, complain


def show_version(wanted: bool) -> None:
    """Print the version and leave, if that is wanted.

    Raises:
        Exit: It is.
    """
    if wanted:
        typer.echo(f"fargate-local {metadata.version('fargate-local')} (moto {metadata.version('moto')})")
        raise typer.Exit


app = typer.Typer(
    name="fargate-local",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def fargate_local(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Run tasks on this machine as ECS does, with the rest of AWS from moto."""


app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("env", epilog=environment.EXAMPLE)(environment.env)
app.command("ui", epilog=ui.EXAMPLE)(ui.ui)
app.command("ps", epilog=tasks.PS_EXAMPLE)(tasks.ps)
app.command("stats", epilog=stats.EXAMPLE)(stats.stats)
app.command("logs", epilog=tasks.LOGS_EXAMPLE)(tasks.logs)
app.command("stop", epilog=tasks.STOP_EXAMPLE)(tasks.stop)
app.command("balancers", epilog=balancers.EXAMPLE)(balancers.balancers)
app.add_typer(faults.app, name="faults")
app.add_typer(iam.app, name="iam")


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(2)
