"""A container's lines in CloudWatch Logs, from where a reader has come to.

moto's GetLogEvents sorts the whole stream for each page. Events arrive here in order, so a position is enough, and a
reader who follows a long log costs what is new.
"""

import sys
from typing import Any, Final

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.protocol.plan import LogTarget

PAGE: Final = 1000


def lines_after(gate: MotoGate, target: LogTarget, position: int | None) -> tuple[list[tuple[int, str]], int]:
    """Return lines after a position, at most `PAGE`, and the position after them; None begins with the last page.

    Each line has its time in milliseconds since the epoch.
    """
    with gate.held():
        events = events_of(target)
        start = max(len(events) - PAGE, 0) if position is None else min(max(position, 0), len(events))
        chosen = events[start : start + PAGE]
        return [(event.timestamp, event.message) for event in chosen], start + len(chosen)


def events_of(target: LogTarget) -> list[Any]:
    """Return the events that moto holds of a stream; none where there is no such stream yet."""
    # A service that nobody has called is not imported, and has no streams.
    models = sys.modules.get("moto.logs.models")
    if models is None:
        return []
    group = models.logs_backends[ACCOUNT][target.region].groups.get(target.group)
    stream = group.streams.get(target.stream) if group else None
    return stream.events if stream else []
