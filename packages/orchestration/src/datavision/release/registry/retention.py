"""Which images may be deleted from the registry: pure decisions on pins, their history and schedules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from datavision.images.registry import RegisteredImage


@dataclass(frozen=True)
class PinPeriod:
    """A pin that a pipeline had: its digests and when it started."""

    env: str
    pipeline: str
    version: str
    began: datetime
    digests: frozenset[str]


@dataclass(frozen=True)
class Window:
    """How far back a rollback must be possible: the last `releases` of a pipeline, and all of the last `days`."""

    releases: int
    days: int


NextRun = Callable[[str, datetime], datetime | None]
"""The first scheduled run of a pipeline after a moment, None for one without a schedule."""


def needed(
    periods: Iterable[PinPeriod], in_use: Mapping[str, str], window: Window, next_run: NextRun, now: datetime
) -> dict[str, str]:
    """Return the digests that must be kept, each with the reason.

    They are what is pinned in any environment, what a rollback within the window needs, what a pipeline was pinned to
    until a pin that no scheduled run has tried yet, and what is in use now (`in_use`: digest → reason).
    """
    reasons = dict(in_use)
    groups: dict[tuple[str, str], list[PinPeriod]] = {}
    for period in periods:
        groups.setdefault((period.env, period.pipeline), []).append(period)
    for (env, pipeline), history in groups.items():
        newest_first = sorted(history, key=lambda period: period.began, reverse=True)
        for period, reason in _kept(newest_first, window, next_run, now):
            for digest in period.digests:
                reasons.setdefault(digest, f"{reason} ({pipeline} in {env}, {period.version})")
    return reasons


def _kept(
    newest_first: Sequence[PinPeriod], window: Window, next_run: NextRun, now: datetime
) -> Iterable[tuple[PinPeriod, str]]:
    current = newest_first[0]
    yield current, "pinned"
    versions: list[str] = []
    for position, period in enumerate(newest_first):
        if period.version not in versions:
            versions.append(period.version)
        ended = newest_first[position - 1].began if position else now
        if len(versions) <= window.releases:
            yield period, f"one of the last {window.releases} releases"
        elif now - ended <= timedelta(days=window.days):
            yield period, f"in use within {window.days} days"
    yield from _untried(newest_first, next_run, now)


def _untried(newest_first: Sequence[PinPeriod], next_run: NextRun, now: datetime) -> Iterable[tuple[PinPeriod, str]]:
    """Yield the newest pin that a scheduled run had a chance to try, if that is not the current one.

    A pipeline that runs twice a year must be able to go back to what ran last, however many releases came since.
    """
    for position, period in enumerate(newest_first):
        ended = newest_first[position - 1].began if position else now
        first = next_run(period.pipeline, period.began)
        if first is None:
            return
        if first <= ended:
            if position:
                yield period, "the last that a scheduled run has tried"
            return


def removable(
    images: Iterable[RegisteredImage], reasons: Mapping[str, str], now: datetime, grace: timedelta
) -> list[RegisteredImage]:
    """Return the images that nothing needs, oldest first.

    What was pushed within `grace` is kept: someone may be about to pin it.
    """
    free = [image for image in images if image.digest not in reasons and now - image.pushed_at >= grace]
    return sorted(free, key=lambda image: image.pushed_at)
