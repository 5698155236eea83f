"""What the commands print: results on stdout, the rest on stderr."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size

GAP = 2
"""Columns between two columns of a table."""
LEAST = 10
"""Columns of a cell that is cut and still says something."""


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


def say_columns(
    titles: Sequence[str], rows: Sequence[Sequence[str]], short: Mapping[str, int], give_up: Sequence[str]
) -> None:
    """Print a table of one line a record, whatever the width of the terminal; in a pipe nothing is cut.

    `short` are the columns that a terminal shows the beginning of; where it is too narrow, those of `give_up` are
    cut, and left out when hardly anything of them would be left, in this order.
    """
    if not sys.stdout.isatty():
        say_table(titles, rows)
        return
    columns = [
        [" ".join(cell.split())[: short.get(column[0])] for cell in column]
        for column in zip(titles, *rows, strict=True)
    ]
    width = shutil.get_terminal_size().columns
    for title in give_up:
        number = next(at for at, column in enumerate(columns) if column[0] == title)
        excess = sum(_wide(column) + GAP for column in columns) - GAP - width
        room = _wide(columns[number]) - excess
        if excess <= 0:
            break
        if room >= LEAST:
            columns[number] = [_cut(cell, room) for cell in columns[number]]
        else:
            del columns[number]
    for record in zip(*columns, strict=True):
        cells = [cell + " " * (_wide(column) - cell_len(cell)) for cell, column in zip(record, columns, strict=True)]
        say((" " * GAP).join(cells).rstrip())


def _wide(column: Sequence[str]) -> int:
    return max(map(cell_len, column))


def _cut(cell: str, room: int) -> str:
    return cell if cell_len(cell) <= room else f"{set_cell_size(cell, room - 1)}…"


def _wrapped(label: str, text: str, width: int) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
