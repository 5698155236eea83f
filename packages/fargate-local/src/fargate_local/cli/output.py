"""What the commands print: results on stdout, the rest on stderr."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.cells import cell_len

GAP = 2
"""Columns between two columns of a table."""


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
    """Print a table where the terminal is wide enough for it, else a block a record; in a pipe a record a line.

    Nothing is cut, and no word is broken that fits a line.
    """
    if not sys.stdout.isatty():
        for record in (titles, *rows):
            say("\t".join(" ".join(cell.split()) for cell in record))
        return
    width = shutil.get_terminal_size().columns
    widths = [max(map(cell_len, column)) for column in zip(titles, *rows, strict=True)]
    if sum(widths) + GAP * (len(titles) - 1) <= width:
        for record in (titles, *rows):
            cells = (cell + " " * (room - cell_len(cell) + GAP) for cell, room in zip(record, widths, strict=True))
            say("".join(cells).rstrip())
        return
    label = max(map(cell_len, titles)) + GAP
    for row in rows:
        for title, cell in zip(titles, row, strict=True):
            if cell:
                say(_wrapped(title.ljust(label), cell, width))
        say("")


def _wrapped(label: str, text: str, width: int) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
