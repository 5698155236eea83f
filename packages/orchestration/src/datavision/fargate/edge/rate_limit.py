"""A token bucket: so that we never make AWS throttle us."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class TokenBucket:
    """At most `per_second` calls a second in the long run, and `burst` at once."""

    per_second: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self.burst, self.clock()

    def reserve(self) -> float:
        """Take one token and return seconds to wait until it is there."""
        now = self.clock()
        self._level = min(self.burst, self._level + (now - self._at) * self.per_second) - 1
        self._at = now
        return max(0.0, -self._level / self.per_second)

    async def acquire(self) -> None:
        """Wait for a token."""
        if (wait := self.reserve()) > 0:
            await asyncio.sleep(wait)
