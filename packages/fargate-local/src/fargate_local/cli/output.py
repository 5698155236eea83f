"""What the commands print: results on stdout, the rest on stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


class UserError(Exception):
    """A mistake that the user can fix; the text ends with how."""


Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar=["FARGATE_LOCAL_URL", "AWS_ENDPOINT_URL"],
        help="Address of the server, as `fargate-local serve` printed it.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Cluster = Annotated[str | None, typer.Option("--cluster", "-c", help="Only this cluster.", show_default=False)]
Region = Annotated[str, typer.Option(envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="Region of the tasks.")]


def say(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(f"{text}\n")


def say_json(value: Any) -> None:
    """Print a result as JSON."""
    say(json.dumps(value, default=str))


def say_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as the terminal allows."""
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    # A pipe has no width: nothing may be truncated or wrapped there.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1000).print(table)
