"""The kinds of faults as the page offers them: what each does, and which fields of a rule it looks at."""

from collections.abc import Iterator
from typing import Any, Final, get_args

from fargate_local.faults.rules import Fault, State

CALL: Final = ("action", "cluster", "family")
PLACED: Final = ("cluster", "family", "capacity_provider")
ALL: Final = ("after", "times", "probability")

KINDS: Final[dict[Fault, tuple[str, tuple[str, ...]]]] = {
    "throttling": ("Calls are answered with ThrottlingException.", CALL),
    "server-error": ("Calls are answered with ServerException, 500.", (*CALL, "message")),
    "access-denied": ("Calls are answered with AccessDeniedException.", (*CALL, "message")),
    "latency": ("Answers come later.", (*CALL, "seconds")),
    "response-lost": ("Calls are carried out, and their answers are lost.", CALL),
    "capacity": ("RunTask finds no capacity.", (*PLACED, "message")),
    "resource-eni": ("RunTask finds no network interface.", (*PLACED, "message")),
    "cannot-pull": ("Tasks fail to start: CannotPullContainerError.", (*PLACED, "message")),
    "resource-initialization": ("Tasks fail to start: their secrets are out of reach.", (*PLACED, "message")),
    "eni-timeout": ("Tasks fail to start: no network interface in time.", (*PLACED, "seconds", "message")),
    "stuck": ("Tasks stay in a state; for ever without seconds.", (*PLACED, "state", "seconds")),
    "spot-interruption": (
        "Running tasks get SIGTERM, and SIGKILL later.",
        (*PLACED, "seconds", "warning_seconds", "message"),
    ),
    "out-of-memory": ("Running tasks end with 137, OutOfMemoryError.", (*PLACED, "seconds", "message")),
    "host-lost": ("Running tasks end at once: TerminationNotice.", (*PLACED, "seconds", "message")),
    "record-expiry": ("Stopped tasks are forgotten sooner.", ("seconds",)),
}


def offered() -> Iterator[dict[str, Any]]:
    """Yield each kind with its sentence and its fields, those of every rule last."""
    for fault, (does, fields) in KINDS.items():
        yield {
            "fault": fault,
            "does": does,
            "fields": [*fields, *ALL],
            "states": list(get_args(State)) if "state" in fields else [],
            "required": ["seconds"] if fault == "latency" else [],
        }
