"""Tables: on a terminal as wide as it allows, in a pipe one record per line.

Nothing is ever cut in the middle of a word: not a name, a digest or a time. Columns that hold several words wrap
between them; where even that does not fit, each record becomes a block of `column value` lines.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2
_SHORT_DIGEST = len("sha256:") + 12


@dataclass(frozen=True)
class Digest:
    """A digest: in full in a pipe, on a terminal the twelve digits that docker shows, too."""

    value: str

    def __str__(self) -> str:
        return self.value


Cell = str | Text | Digest


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    right: Sequence[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Write rows.

    Args:
        title: Stands above the table, on a terminal only.
        columns: Their names; the first line of what a pipe gets.
        rows: One cell per column.
        right: The columns that are aligned to the right.
        stream: Where to; stdout when not given.
    """
    to = stream or sys.stdout
    if not to.isatty():
        to.write(tab_separated(columns, rows))
        return
    size = shutil.get_terminal_size()
    # With both given, rich also uses them where TERM is dumb; otherwise it assumes 80 columns there.
    screen = Console(file=to, width=size.columns, height=size.lines, highlight=False)
    if title:
        screen.print(Text(title, style="bold"))
    shown = [[_shown(cell) for cell in row] for row in rows]
    widths = fitting(columns, shown, screen.width)
    if widths:
        screen.print(_grid(columns, shown, widths, right))
        return
    for row in shown:
        for line in _block(columns, row, screen.width):
            screen.print(line, soft_wrap=True)
        screen.print()


def tab_separated(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a line of names and a line per row; characters that would break a line or a field become spaces."""
    return "".join("\t".join(_plain(cell) for cell in row) + "\n" for row in (columns, *rows))


def fitting(columns: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return column widths that break no word; empty when `width` is too small for that."""
    cells = list(zip(columns, *([cell.plain for cell in row] for row in rows), strict=True))
    wanted = [max((cell_len(line) for text in cell for line in text.splitlines()), default=0) for cell in cells]
    least = [max((cell_len(word) for text in cell for word in text.split()), default=0) for cell in cells]
    spare = width - GAP * (len(columns) - 1) - sum(least)
    if spare < 0:
        return []
    # The column that needs least gets it first, so that as few columns as possible wrap.
    for position in sorted(range(len(columns)), key=lambda n: wanted[n] - least[n]):
        given = min(wanted[position] - least[position], spare)
        least[position] += given
        spare -= given
    return least


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Text]], widths: Sequence[int], right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        table.add_column(Text(name), width=width, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _block(columns: Sequence[str], row: Sequence[Text], width: int) -> list[Text]:
    label = max(map(cell_len, columns)) + GAP
    lines: list[Text] = []
    for name, cell in zip(columns, row, strict=True):
        if not cell.plain:
            continue
        room = width - label
        if max(map(cell_len, cell.plain.split()), default=0) > room:
            # On its own line: if even that is too short, the terminal wraps it and copies it in one piece.
            lines += [Text(name, style="bold"), cell]
            continue
        parts = cell.wrap(Console(width=room), room)
        for number, part in enumerate(parts):
            lines.append(Text.assemble((name.ljust(label) if number == 0 else " " * label, "bold"), part))
    return lines


def _shown(cell: Cell) -> Text:
    if isinstance(cell, Digest):
        return Text(cell.value[:_SHORT_DIGEST])
    return cell if isinstance(cell, Text) else Text(cell)


def _plain(cell: Cell) -> str:
    return " ".join((cell.plain if isinstance(cell, Text) else str(cell)).split())
