"""Classifies how a task ended: one pure function from what ECS reports to the failure table of docs/architecture.md.

Stop codes and reasons: ECS developer guide, "Stopped tasks error codes", November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from datavision import exit_codes
from datavision.fargate.edge.ecs_tasks import StopReason


class Outcome(StrEnum):
    """The classes of the failure table, and success."""

    SUCCESS = "success"
    FAILED_START = "failed start"
    PERMANENT_START = "permanent start failure"
    DIGEST = "digest differs from the pin"
    SPOT = "Spot interruption"
    MEMORY = "out of memory"
    TIMEOUT = "time-out"
    BUSINESS = "business failure"
    USAGE = "usage or configuration error"
    QUALITY = "data quality gate"
    KILLED = "stopped by Airflow"
    STOPPED = "stopped from outside"
    LOST = "lost record"


@dataclass(frozen=True)
class Ending:
    """How a task ended."""

    outcome: Outcome
    stop_code: str = ""
    reason: str = ""
    exit_code: int | None = None
    digest: str | None = None


_STOPPED_BY_US = {
    StopReason.START_DEADLINE: Outcome.FAILED_START,
    StopReason.TIMEOUT: Outcome.TIMEOUT,
    StopReason.KILLED: Outcome.KILLED,
    StopReason.REPLACED: Outcome.KILLED,
    StopReason.REAPED: Outcome.KILLED,
    StopReason.DIGEST: Outcome.DIGEST,
    StopReason.RELEASE: Outcome.KILLED,
    StopReason.BOOTSTRAP: Outcome.KILLED,
}
_EXIT_CODES = {
    exit_codes.SUCCESS: Outcome.SUCCESS,
    exit_codes.USAGE: Outcome.USAGE,
    exit_codes.QUALITY: Outcome.QUALITY,
}
_PERMANENT = (
    "not found",
    "does not exist",
    "doesn't exist",
    "notfoundexception",
    "accessdenied",
    "access denied",
    "not authorized",
    "unauthorized",
    "403 forbidden",
    "manifest unknown",
    "no basic auth credentials",
    "exec format error",
    "executable file not found",
    "no such file or directory",
    "invalid parameter",
    "did not find json key",
)
"""Parts of the reasons of start failures that a retry cannot fix (lower case)."""


def is_permanent(reason: str) -> bool:
    """Return whether the reason of a start failure names something that a retry cannot fix."""
    text = reason.lower()
    return any(part in text for part in _PERMANENT)


def main_container(task: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the container called `name`, or the first one, or an empty mapping."""
    containers = task.get("containers") or [{}]
    for container in containers:
        if container.get("name") == name:
            found: Mapping[str, Any] = container
            return found
    first: Mapping[str, Any] = containers[0]
    return first


def digest_differs(task: Mapping[str, Any], container: str, pinned: str) -> bool:
    """Return whether ECS reports a digest other than the pinned one (none reported yet: no)."""
    reported = main_container(task, container).get("imageDigest")
    return bool(reported) and reported != pinned


def classify(task: Mapping[str, Any], container: str, pinned_digest: str) -> Ending:
    """Return how a STOPPED task ended, whose module runs in `container` and must be `pinned_digest`."""
    main = main_container(task, container)
    reasons = dict.fromkeys(text for text in (task.get("stoppedReason"), main.get("reason")) if text)
    reason = "; ".join(reasons)
    exit_code = main.get("exitCode")
    code = str(task.get("stopCode") or "")
    outcome = (
        Outcome.DIGEST if digest_differs(task, container, pinned_digest) else _outcome(task, code, reason, exit_code)
    )
    return Ending(outcome, code, reason, exit_code, main.get("imageDigest"))


def _outcome(task: Mapping[str, Any], stop_code: str, reason: str, exit_code: int | None) -> Outcome:
    if exit_code == exit_codes.SUCCESS:
        return Outcome.SUCCESS
    if "OutOfMemory" in reason:
        return Outcome.MEMORY
    if stop_code in ("SpotInterruption", "TerminationNotice"):
        return Outcome.SPOT
    if stop_code == "UserInitiated":
        return _stopped_by(str(task.get("stoppedReason") or ""))
    if exit_code is None:
        return Outcome.PERMANENT_START if is_permanent(reason) else Outcome.FAILED_START
    return _EXIT_CODES.get(exit_code, Outcome.BUSINESS)


def _stopped_by(stopped_reason: str) -> Outcome:
    for reason, outcome in _STOPPED_BY_US.items():
        if reason.value in stopped_reason:
            return outcome
    return Outcome.STOPPED


@dataclass(frozen=True)
class Wanted:
    """What a watched task has to be: its image, and RUNNING by when (Unix seconds; None: no deadline)."""

    container: str
    digest: str
    start_by: float | None = None
    end_by: float | None = None
    """Unix seconds when it is stopped wherever it is; None: Airflow's execution_timeout decides."""


def reason_to_stop(task: Mapping[str, Any], wanted: Wanted, now: float) -> StopReason | None:
    """Return why a live task has to be stopped, or None."""
    if digest_differs(task, wanted.container, wanted.digest):
        return StopReason.DIGEST
    if wanted.end_by is not None and now > wanted.end_by:
        return StopReason.TIMEOUT
    starting = task.get("lastStatus") in ("PROVISIONING", "PENDING", "ACTIVATING")
    if starting and wanted.start_by is not None and now > wanted.start_by:
        return StopReason.START_DEADLINE
    return None
