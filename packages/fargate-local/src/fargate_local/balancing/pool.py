"""The targets of all groups as they are now: their health, whose turn it is, and what is on its way to each."""

import asyncio
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count

from fargate_local.balancing.health import DRAINING, NOT_IN_USE, Health, Verdict
from fargate_local.balancing.snapshot import Group, Snapshot, Target

Key = tuple[str, Target]
"""A target group's ARN and one of its targets."""


@dataclass(slots=True)
class Member:
    """One target of one group. `leaves_at` is when it is forgotten at the latest, once it is deregistered."""

    verdict: Verdict = field(default_factory=Verdict)
    on_the_way: int = 0
    leaves_at: float | None = None
    warm_since: float | None = None
    """When it became healthy beside others that were."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Pool:
    """Changed in one loop only; `health_of` and `draining` may be asked from any thread."""

    def __init__(self, now: Callable[[], float], drain_times: float) -> None:
        self._now = now
        self._drain_times = drain_times
        self._turns = count()
        self.snapshot = Snapshot({}, {})
        self.members: dict[Key, Member] = {}

    def take(self, snapshot: Snapshot) -> None:
        """Take over new groups and targets; those that are gone drain."""
        self.snapshot = snapshot
        wanted = {(group.arn, target) for group in snapshot.groups.values() for target in group.targets}
        for key in wanted:
            member = self.members.get(key)
            if member is None or member.leaves_at is not None:
                self.members[key] = Member(on_the_way=member.on_the_way if member else 0)
        for key, member in self.members.items():
            if key not in wanted and member.leaves_at is None:
                group = snapshot.groups.get(key[0])
                member.leaves_at = self._now() + (group.drain if group else 0.0) * self._drain_times

    def forget(self) -> None:
        """Forget targets that have drained: nothing is on its way to them, or it takes too long."""
        for key, member in list(self.members.items()):
            if member.leaves_at is not None and (member.on_the_way == 0 or self._now() >= member.leaves_at):
                del self.members[key]
                member.gone.set()

    def gone(self, arn: str, target: Target) -> asyncio.Event:
        """Return what is set when a target is not there, or no more."""
        member = self.members.get((arn, target))
        if member:
            return member.gone
        never_was = asyncio.Event()
        never_was.set()
        return never_was

    def next(self, group: Group, stay: Target | None = None, source: str = "") -> Target | None:
        """Return the target whose turn it is, or None.

        Where no target is healthy, those that fail their checks get the requests (user guide, "fail open").

        Args:
            group: The target group.
            stay: The target with which the client is to stay if it can.
            source: The client's address where that decides.
        """
        states = {target: self._state(group, target) for target in group.targets}
        for state in ("healthy", "unhealthy"):
            ready = [target for target, found in states.items() if found == state]
            if stay in ready:
                return stay
            if ready and source:
                return ready[zlib.crc32(source.encode()) % len(ready)]
            if ready:
                return self._chosen(group, ready)
        return None

    def _chosen(self, group: Group, ready: list[Target]) -> Target:
        """Return the target that the group's algorithm chooses ("Routing algorithms", "Slow start mode")."""
        turn = next(self._turns)
        if group.algorithm == "weighted_random":
            return random.choice(ready)  # noqa: S311 - nothing secret
        if group.algorithm == "least_outstanding_requests":
            line = [*ready[turn % len(ready) :], *ready[: turn % len(ready)]]
            return min(line, key=lambda target: self._member(group, target).on_the_way)
        # One that starts slowly lets turns pass to others that do not.
        warm = [target for target in ready if random.random() < self._share(group, target)]  # noqa: S311 - nothing secret
        line = warm or ready
        return line[turn % len(line)]

    def _share(self, group: Group, target: Target) -> float:
        """Return which part of its turns a target takes: all, or less while it starts slowly."""
        member = self._member(group, target)
        if not group.slow_start or member.warm_since is None:
            return 1.0
        return min(1.0, (self._now() - member.warm_since) / (group.slow_start * self._drain_times))

    def _member(self, group: Group, target: Target) -> Member:
        return self.members.get((group.arn, target)) or Member()

    def warm_up(self, key: Key) -> None:
        """Let a target that has become healthy start slowly, unless it is the first of its group."""
        others = (member for other, member in self.members.items() if other[0] == key[0] and other != key)
        if any(member.verdict.health.state == "healthy" for member in others):
            self.members[key].warm_since = self._now()

    def _state(self, group: Group, target: Target) -> str:
        member = self.members.get((group.arn, target))
        if member is None:
            return "unknown"
        return "healthy" if group.check is None else member.verdict.health.state

    def holds(self, group: Group, target: Target) -> bool:
        """Return whether a target is still one of a group as it is now."""
        now = self.snapshot.groups.get(group.arn)
        return now is not None and target in now.targets

    @contextmanager
    def sending(self, group: Group, target: Target) -> Iterator[None]:
        """Count what is on its way to a target."""
        member = self.members.setdefault((group.arn, target), Member(leaves_at=self._now()))
        member.on_the_way += 1
        try:
            yield
        finally:
            member.on_the_way -= 1

    def health_of(self, arn: str, address: str, port: int) -> Health | None:
        """Return the health of a target, or None for one that is not known yet, or no more."""
        member, group = self.members.get((arn, Target(address, port))), self.snapshot.groups.get(arn)
        if member is None:
            return None
        if member.leaves_at is not None:
            return DRAINING
        if group is None or not group.in_use:
            return NOT_IN_USE
        return Health("healthy") if group.check is None else member.verdict.health

    def draining(self, arn: str) -> list[Target]:
        """Return the targets of a group that still drain."""
        return [key[1] for key, member in list(self.members.items()) if key[0] == arn and member.leaves_at is not None]

    def to_check(self) -> Iterator[tuple[Key, Group]]:
        """Return the targets that are to be checked."""
        for key, member in self.members.items():
            group = self.snapshot.groups.get(key[0])
            if group and group.in_use and group.check and member.leaves_at is None:
                yield key, group


def spread(groups: list[tuple[str, int]], turn: int) -> str | None:
    """Return the target group whose turn it is, each as often as its weight says."""
    line = list(chain.from_iterable([arn] * weight for arn, weight in groups))
    return line[turn % len(line)] if line else None
