"""How a shared container's time is divided among its steps; free of I/O."""

from dataclasses import dataclass, field

MINIMUM_SECONDS = 60.0
"""Fargate bills at least one minute (AWS Fargate pricing page, November 2026)."""


@dataclass
class Shares:
    """Seconds of the container by step: times of several are divided evenly, times of none belong to the next.

    All times are seconds of one clock.
    """

    began: float
    """When the container's bill began."""
    _running: dict[str, float] = field(default_factory=dict)
    _until: float = field(init=False)
    _unclaimed: float = 0.0

    def __post_init__(self) -> None:
        self._until = self.began

    def start(self, step: str, now: float) -> None:
        """Note that `step` runs from `now` on."""
        self._advance(now)
        self._running[step] = self._unclaimed
        self._unclaimed = 0.0

    def end(self, step: str, now: float, *, last: bool = False) -> float:
        """Return the seconds of `step`, which ended; of the container's last one, with what is left of the minimum."""
        self._advance(now)
        share = self._running.pop(step)
        if last and not self._running:
            share += max(MINIMUM_SECONDS - (now - self.began), 0.0)
        return share

    def _advance(self, now: float) -> None:
        passed, self._until = now - self._until, now
        if not self._running:
            self._unclaimed += passed
        for step in self._running:
            self._running[step] += passed / len(self._running)
