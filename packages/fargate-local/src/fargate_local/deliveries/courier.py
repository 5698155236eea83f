"""Delivers in threads of its own: whoever hands something over does not wait, and failures are tried again."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

THREADS: Final = 4
MOST_WAITING: Final = 10_000
"""Parcels that wait to be tried again; more are given up at once."""


class UndeliverableError(Exception):
    """It makes no sense to try again; the text says why."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something to deliver. ``what`` names it for people; ``pauses`` are the seconds before each further attempt.

    ``deliver`` raises OSError for a failure that may pass, and UndeliverableError for one that will not.
    """

    what: str
    deliver: Callable[[], None]
    pauses: Sequence[float] = ()


class Courier:
    """Delivers what it is handed, each parcel until it has arrived or its pauses are used up."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="deliver")
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Parcel, int]] = []
        self._numbers = itertools.count()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def take(self, parcel: Parcel) -> None:
        """Deliver a parcel as soon as a thread is free."""
        try:
            self._threads.submit(self._try, parcel, 0)
        except RuntimeError:
            log.warning("%s: not delivered: the server is stopping", parcel.what)

    def close(self) -> None:
        """Try once what has not been tried, name what would have been tried again, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._threads.shutdown()
        for _, _, parcel, _ in self._waiting:
            log.warning("%s: not delivered: the server stopped before it was tried again", parcel.what)

    def _try(self, parcel: Parcel, failed: int) -> None:
        try:
            parcel.deliver()
        except UndeliverableError as error:
            log.warning("%s: not delivered: %s", parcel.what, error)
        except OSError as error:
            self._again(parcel, failed, f"{type(error).__name__}: {error}")
        except Exception:
            log.exception("%s: not delivered", parcel.what)

    def _again(self, parcel: Parcel, failed: int, reason: str) -> None:
        with self._changed:
            if failed >= len(parcel.pauses) or len(self._waiting) >= MOST_WAITING:
                attempts = "1 attempt" if failed == 0 else f"{failed + 1} attempts"
                log.warning("%s: not delivered after %s: %s", parcel.what, attempts, reason)
                return
            pause = parcel.pauses[failed]
            log.warning("%s: not delivered, tried again in %g s: %s", parcel.what, pause, reason)
            heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._numbers), parcel, failed + 1))
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                if self._waiting and self._waiting[0][0] <= now:
                    _, _, parcel, failed = heapq.heappop(self._waiting)
                    self._threads.submit(self._try, parcel, failed)
                else:
                    self._changed.wait(self._waiting[0][0] - now if self._waiting else None)
