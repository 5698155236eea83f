"""What to do about a task after each look at it; the same for the worker and the triggerer, free of I/O."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from datavision.fargate.edge.ecs_tasks import StopReason, seconds
from datavision.fargate.outcome.classify import Wanted, reason_to_stop
from datavision.fargate.waiting.interval import poll_interval

MISSING_LOOKS = 3
"""Consecutive looks that must find nothing before a task counts as forgotten."""


class Verdict(Enum):
    """What a look at a task means."""

    WAIT = "wait"
    STOP = "stop"
    STOPPED = "stopped"
    MISSING = "missing"


@dataclass(frozen=True)
class Look:
    """A verdict, the reason to stop where it is STOP, and seconds until the next look."""

    verdict: Verdict
    next_in: float = 0.0
    reason: StopReason | None = None


@dataclass
class Watch:
    """One task being waited for."""

    arn: str
    wanted: Wanted
    launched_at: float
    """Unix seconds."""
    usual_seconds: float | None
    min_interval: float
    max_interval: float
    missing_grace: float
    """Seconds after the launch within which an unknown task is waited for."""
    missing_looks: int = field(default=0, init=False)
    running: bool = field(default=False, init=False)
    seen: Mapping[str, Any] | None = field(default=None, init=False)
    """The task at the last look."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that build the same watch elsewhere, as plain JSON."""
        return {
            "arn": self.arn,
            "wanted": asdict(self.wanted),
            "launched_at": self.launched_at,
            "usual_seconds": self.usual_seconds,
            "min_interval": self.min_interval,
            "max_interval": self.max_interval,
            "missing_grace": self.missing_grace,
        }

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Watch":
        """Return the watch that `arguments` describes."""
        return cls(**{**arguments, "wanted": Wanted(**arguments["wanted"])})

    def see(self, task: Mapping[str, Any] | None, now: float) -> Look:
        """Return what to do, given what DescribeTasks returns at `now` (None: MISSING)."""
        self.seen = task
        if task is None:
            return self._missing(now)
        self.missing_looks = 0
        if task.get("lastStatus") == "STOPPED":
            return Look(Verdict.STOPPED)
        running_since = seconds(task.get("startedAt"))
        self.running = running_since is not None
        next_in = poll_interval(
            running_seconds=None if running_since is None else max(now - running_since, 0),
            usual_seconds=self.usual_seconds,
            min_interval=self.min_interval,
            max_interval=self.max_interval,
        )
        stopping = task.get("desiredStatus") == "STOPPED"
        if not stopping and (reason := reason_to_stop(task, self.wanted, now)):
            return Look(Verdict.STOP, self.min_interval, reason)
        return Look(Verdict.WAIT, self.min_interval if stopping else next_in)

    def _missing(self, now: float) -> Look:
        if now - self.launched_at < self.missing_grace:
            return Look(Verdict.WAIT, self.min_interval)
        self.missing_looks += 1
        if self.missing_looks < MISSING_LOOKS:
            return Look(Verdict.WAIT, self.min_interval)
        return Look(Verdict.MISSING)
