"""Tables fit the terminal without breaking a word; a pipe gets one record a line."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len

from datavision.cli.app import _COMMANDS
from datavision.cli.tables import Digest, tab_separated
from fargate_local.cli.output import say_table

DIGEST = "sha256:" + "0123456789abcdef" * 4
COLUMNS = ("environment", "pipeline", "version", "images", "since", "commit", "digest", "drift")
ROWS = [
    (
        *("prod", "pipeline_suscripciones", "1.10.0", "ingesta 1.10.0, transformacion 1.9.0"),
        *("2026-11-23T10:00:00+00:00", "0123abcde", DIGEST),
        "ingesta: the registry has another image under its tag; release again",
    ),
    ("dev", "pipeline_fact_rfm", "0.1.0", "transformacion 0.1.0", "2026-11-24T10:00:00+00:00", "fedc43210", DIGEST, ""),
]
NARROW = ("pipeline", "since", "why")
CODE = """
import sys
from datavision.cli.tables import Digest, show_table
columns, rows = {columns!r}, {rows!r}
show_table("the title", columns, [[Digest(c) if c.startswith("sha256:") else c for c in row] for row in rows])
"""


def on_a_terminal(columns: int, code: str) -> str:
    """What a program shows on a terminal of that many columns."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | {"NO_COLOR": "1"}
    environment["TERM"] = "dumb"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=child, stdin=child, env=environment)
    os.close(child)
    shown = b""
    try:
        while part := os.read(parent, 4096):
            shown += part
    except OSError:  # Linux says so when the last writer has gone
        pass
    os.close(parent)
    assert process.wait(30) == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_fits_the_terminal_and_breaks_no_name_digest_or_time(width: int) -> None:
    shown = on_a_terminal(width, CODE.format(columns=COLUMNS, rows=ROWS))
    assert max(map(cell_len, shown.splitlines())) <= width
    for row in ROWS:
        for word in " ".join(row).replace(DIGEST, DIGEST[:19]).split():
            assert word in shown.split(), word
    assert "…" not in shown


def test_a_wide_terminal_shows_a_record_a_line_and_a_narrow_one_a_block() -> None:
    rows = [(*row[1:5:3], row[7]) for row in ROWS]
    assert len(on_a_terminal(200, CODE.format(columns=NARROW, rows=rows)).splitlines()) == 2 + len(rows)
    block = on_a_terminal(40, CODE.format(columns=NARROW, rows=rows))
    assert "pipeline  pipeline_suscripciones\n" in block


def test_a_pipe_gets_a_line_of_names_and_a_line_per_record_whatever_is_in_it() -> None:
    rows = [(*row[:6], Digest(row[6]), row[7] + "\ntwo\tlines " + "x" * 500) for row in ROWS]
    lines = tab_separated(COLUMNS, rows).splitlines()
    assert [line.count("\t") for line in lines] == [len(COLUMNS) - 1] * (1 + len(ROWS))
    assert DIGEST in lines[1]
    assert "x" * 500 in lines[1]


def test_the_short_help_of_a_command_is_not_cut_on_eighty_columns() -> None:
    code = "import sys; sys.argv = ['datavision', '--help']; from datavision.cli.app import main; main()"
    shown = on_a_terminal(80, code)
    assert all(f"{summary}." in shown for _, summary in _COMMANDS.values())


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys; from datavision.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('boto3', 'pydantic', 'airflow', 'rich.table', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_pipe_gets_a_line_per_record_from_fargate_local_too(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(("task", "reason"), [["1", "two\nlines\tand a tab"]])
    assert capsys.readouterr().out == "task\treason\n1\ttwo lines and a tab\n"
