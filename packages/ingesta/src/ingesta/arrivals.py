"""What has landed so far: one thread lands tables while another merges them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ingesta.extract import Extract


class Abandoned(Exception):  # noqa: N818 - it says that there is nothing to do, and reaches nobody
    """Not all tables of the load will land; why is for the thread that lands them to say."""


class Arrivals:
    """The extracts of one load in the order in which they land.

    Going through them waits for those to come, and may be begun anew.
    """

    def __init__(self) -> None:
        self._landed: list[Extract] = []
        self._complete: bool | None = None
        self._changed = threading.Condition()

    @contextmanager
    def landing(self) -> Iterator[None]:
        """Land all tables within the block: its end is the end of the load's extracts, an error that of the load."""
        try:
            yield
        except BaseException:
            self._end(complete=False)
            raise
        self._end(complete=True)

    def add(self, extract: Extract) -> None:
        """Hand over a table that has landed."""
        with self._changed:
            self._landed.append(extract)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Extract]:
        """Go through all extracts of the load.

        Raises:
            Abandoned: Not all of them land.
        """
        number = 0
        while self._wait_for(number):
            yield self._landed[number]
            number += 1

    def _wait_for(self, number: int) -> bool:
        """Wait for an extract; return whether there is one.

        Raises:
            Abandoned: Not all of them land.
        """
        with self._changed:
            self._changed.wait_for(lambda: number < len(self._landed) or self._complete is not None)
            if self._complete is False:
                raise Abandoned
            return number < len(self._landed)

    def _end(self, *, complete: bool) -> None:
        with self._changed:
            self._complete = complete
            self._changed.notify_all()
