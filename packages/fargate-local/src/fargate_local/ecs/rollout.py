"""What a service starts and stops next, from the tasks it has: free of I/O.

Developer guide, "Amazon ECS service deployment controllers", rolling update: at least `minimumHealthyPercent` of the
desired count stays healthy (rounded up), at most `maximumPercent` of it exists (rounded down).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Member:
    """A task of a service that is not being stopped."""

    arn: str
    deployment: str
    running: bool
    healthy: bool
    """Running, and by its health checks well if it has any."""
    unhealthy: bool = False
    """Its health checks failed, after the service's grace period."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tasks a service wants, and how many it may have while it changes."""

    desired: int
    minimum_percent: int = 100
    maximum_percent: int = 200

    @property
    def lowest(self) -> int:
        """How many stay healthy."""
        return math.ceil(self.desired * self.minimum_percent / 100)

    @property
    def highest(self) -> int:
        """How many exist at most."""
        return math.floor(self.desired * self.maximum_percent / 100)


@dataclass(slots=True)
class Step:
    """What is to be done now."""

    start: int = 0
    unhealthy: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)


def next_step(primary: str, limits: Limits, members: Sequence[Member]) -> Step:
    """Return how many tasks of the primary deployment to start, and which tasks to stop: sick ones, and surplus ones.

    Args:
        primary: The deployment that the service is moving to.
        limits: How many tasks it wants.
        members: Its tasks in the order of their creation.
    """
    step = Step(unhealthy=[member.arn for member in members if member.unhealthy])
    alive = [member for member in members if not member.unhealthy]
    # Of those that are too many the ones that do not serve yet go first, then the youngest.
    ours = sorted((member for member in alive if member.deployment == primary), key=lambda member: not member.healthy)
    step.surplus = [member.arn for member in ours[limits.desired :]]
    ours = ours[: limits.desired]
    others = sorted((member for member in alive if member.deployment != primary), key=lambda member: member.healthy)
    ready = sum(member.healthy for member in ours)
    spare = ready + sum(member.healthy for member in others) - limits.lowest
    leaving = []
    for member in others:
        if ready >= limits.desired or not member.healthy or spare > 0:
            leaving.append(member.arn)
            spare -= member.healthy
    step.surplus += leaving
    room = limits.highest - len(ours) - (len(others) - len(leaving))
    step.start = max(min(limits.desired - len(ours), room), 0)
    return step
