"""Time as ECS shows it."""

import threading
import time


class Clock:
    """Seconds since the epoch in whole milliseconds, never going backwards."""

    def __init__(self) -> None:
        self._last = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the current time; a later call never returns less."""
        with self._lock:
            self._last = max(self._last, round(time.time(), 3))
            return self._last
