"""Where commands write: the result to stdout, progress and errors to stderr. `NO_COLOR` is respected by rich."""

import sys
import time

from rich.console import Console

out = Console(soft_wrap=not sys.stdout.isatty())
"""In a pipe or a file lines are never wrapped."""
err = Console(stderr=True, highlight=False)
_started = time.monotonic()


def step(text: str) -> None:
    """Say on stderr that a step begins, with the seconds since the command started."""
    err.print(f"[dim]{time.monotonic() - _started:6.1f} s[/]  {text}", soft_wrap=True)


def fail(text: str) -> None:
    """Write an error to stderr, as it is."""
    sys.stderr.write(f"datavision: {text}\n")
