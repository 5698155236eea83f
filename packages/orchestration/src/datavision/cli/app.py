"""Puts the sub-commands together; each lives in its own module of this package."""

import signal
import sys
from types import FrameType

import typer

from datavision.cli import doctor, image, infra, local, pins, reap, release, rollback, run, source, sql
from datavision.cli.output import fail
from datavision.errors import UserError

app = typer.Typer(
    name="datavision",
    help="The DataVision data platform: runs, releases and rollbacks of its pipelines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("up")(local.up)
app.command("clean")(local.clean)
app.command("sql")(sql.sql)
app.command("doctor")(doctor.doctor)
app.command("release")(release.release)
app.command("promote")(release.promote)
app.command("rollback")(rollback.rollback)
app.command("history")(rollback.history)
app.command("diff")(rollback.diff)
app.command("pins")(pins.pins)
app.command("reap")(reap.reap)
app.add_typer(image.app, name="image")
app.add_typer(infra.app, name="infra")
app.add_typer(source.app, name="source")


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and exit code 2, never in a traceback."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    try:
        app()
    except UserError as error:
        fail(str(error))
        sys.exit(error.exit_code)


def _stop(number: int, _: FrameType | None) -> None:
    """End as if by `sys.exit`, so that everything this command started is stopped on the way out."""
    sys.exit(128 + number)
