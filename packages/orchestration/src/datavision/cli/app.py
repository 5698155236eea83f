"""Assembles the subcommands; each is a module of this package that is imported when it is called."""

import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_COMMANDS = {
    "run": ("run:run", "Run pipelines and wait until they end"),
    "up": ("local:up", "Start the local stack with the Airflow UI, until Ctrl-C"),
    "clean": ("local:clean", "Stop what still runs here and remove this folder's local data"),
    "sql": ("sql:sql", "Read the lakehouse with SQL"),
    "doctor": ("doctor:doctor", "Check everything a run needs"),
    "release": ("release:release", "Build, scan and test what changed, then pin the pipelines"),
    "promote": ("release:promote", "Pin the images of one environment in another"),
    "rollback": ("rollback:rollback", "Pin one pipeline to an earlier version"),
    "history": ("rollback:history", "Show what a pipeline was pinned to"),
    "diff": ("rollback:diff", "Show what changed between two versions"),
    "pins": ("pins:pins", "Show what is pinned where; detect pins that no longer match"),
    "alert-test": ("alerts:alert_test", "Send a test alert by every way"),
    "audit": ("audit:audit", "Show what was launched, for whom, and how it ended"),
    "cost": ("audit:cost", "Show what containers cost"),
    "reap": ("reap:reap", "Stop containers whose Airflow task is no longer alive"),
    "image": ("image:app", "Module images: build, run, prune"),
    "infra": ("infra:app", "The CloudFormation stacks of an environment, and its secrets"),
    "source": ("source:app", "The source database: load a business, advance it by days"),
}
"""Command → where it is, and its short help, so that `datavision --help` imports none of them."""


class _Unloaded(TyperCommand):
    """A subcommand known by name and help; loads the real one when called."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, help=f"{summary}.", rich_markup_mode=None)
        self._place = place

    def load(self) -> Any:
        """Import the command."""
        module, _, attribute = self._place.partition(":")
        found = getattr(import_module(f"datavision.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(self.name)(found)
        return typer.main.get_command(alone)

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Parse the command line as the real command does; click continues with the context's command."""
        return self.load().make_context(*arguments, **more)


class _Commands(TyperGroup):
    """The group of all sub-commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: _Unloaded(name, *place) for name, place in _COMMANDS.items()}


app = typer.Typer(
    name="datavision",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def datavision() -> None:
    """Run, release and roll back the pipelines of the DataVision data platform."""


def main() -> None:
    """Run the command line; every failure ends in one sentence and an exit code of the contract."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    try:
        app()
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user, whatever went wrong
        from datavision.cli.explained import exit_code, sentence
        from datavision.cli.output import fail

        fail(sentence(error))
        sys.exit(exit_code(error))


def _stop(number: int, _: FrameType | None) -> None:
    """Exit as `sys.exit` does, so that everything this command started is stopped on the way out."""
    sys.exit(128 + number)
