"""How long to wait before asking about a task again."""

SHARE_OF_DISTANCE = 0.15
"""Share of the time to the usual end: few calls early, many near it."""
SHARE_OF_LATENESS = 0.1
"""Past the usual end: a tenth of the time since, because it may end any moment."""
SHARE_OF_AGE = 0.04
"""Without a usual duration: late by at most this share of the run."""


def poll_interval(
    *, running_seconds: float | None, usual_seconds: float | None, min_interval: float, max_interval: float
) -> float:
    """Return the seconds until the next look at a task.

    Short until it runs (`running_seconds` is None) and around its usual duration, longer in between and long after.
    """
    if running_seconds is None:
        return min_interval
    if usual_seconds is None:
        wait = running_seconds * SHARE_OF_AGE
    else:
        early = usual_seconds - running_seconds
        wait = early * SHARE_OF_DISTANCE if early > 0 else -early * SHARE_OF_LATENESS
    return min(max(wait, min_interval), max_interval)
