"""Progress on stderr: a live line on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.status import Status

_LINE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.5


class Reporter:
    """Reports progress on stderr; stdout is for results."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._started = time.monotonic()
        self.watched: list[tuple[str, float, float]] = []
        """What was watched, and from when to when, in Unix seconds."""

    def __call__(self, text: str) -> None:
        """Print one line with the seconds since the start."""
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/]  {text}", soft_wrap=True)

    @contextmanager
    def watch(self, what: str, percent: Callable[[], float]) -> Iterator[None]:
        """Show the progress of a long statement: continuously on a terminal, elsewhere every 15 seconds."""
        done, began = threading.Event(), time.time()
        with self._console.status(what) as status:
            thread = threading.Thread(target=self._follow, args=(what, percent, done, status), daemon=True)
            thread.start()
            try:
                yield
            finally:
                done.set()
                thread.join()
                self.watched.append((what, began, time.time()))

    def _follow(self, what: str, percent: Callable[[], float], done: threading.Event, status: Status) -> None:
        said = time.monotonic()
        while not done.wait(_POLL_SECONDS):
            share = percent()
            text = f"{what} {share:.0f} %" if 0 <= share <= 100 else what
            status.update(text)
            if not self._console.is_terminal and time.monotonic() - said >= _LINE_SECONDS:
                self(text)
                said = time.monotonic()


def size(number: int) -> str:
    """Return bytes in a readable unit."""
    value, units = float(number), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 1000 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
