"""`fargate-local serve|env|ps|logs|stop|faults`."""

import sys

import typer

from fargate_local.cli import environment, faults, serve, tasks
from fargate_local.cli.output import UserError, complain

app = typer.Typer(
    name="fargate-local",
    help="An ECS that really runs your tasks, on this machine, with the rest of AWS from moto.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("env", epilog=environment.EXAMPLE)(environment.env)
app.command("ps", epilog=tasks.PS_EXAMPLE)(tasks.ps)
app.command("logs", epilog=tasks.LOGS_EXAMPLE)(tasks.logs)
app.command("stop", epilog=tasks.STOP_EXAMPLE)(tasks.stop)
app.add_typer(faults.app, name="faults")


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(2)
