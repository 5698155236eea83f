"""What a shared container is told: how to serve, and the messages of its inbox; free of I/O.

`datavision.fargate.sharing` writes them; a test compares the two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

INBOX = "inbox/"
SLOT_DIGITS = 6


@dataclass(frozen=True)
class Serving:
    """The value of DATAVISION_SHARED."""

    uri: str
    """`s3://bucket/prefix/` of this container's inbox."""
    idle_seconds: float
    """It ends after as long without a step."""
    ends_after: tuple[str, ...]
    """It ends once all of these steps have succeeded in it; empty: only when idle."""
    memory_mib: int
    """What the task may use."""
    module: str
    """Whose commands are loaded once for all steps."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the variable.

        Raises:
            ValueError: It is not what the orchestration writes.
        """
        try:
            value = json.loads(text)
            return cls(
                str(value["uri"]),
                float(value["idle_seconds"]),
                tuple(map(str, value["ends_after"])),
                int(value["memory_mib"]),
                str(value["module"]),
            )
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"DATAVISION_SHARED cannot be used ({error!r}). "
                "Unset it to run a command: only the DAG's session sets it."
            ) from error


@dataclass(frozen=True)
class Start:
    """Run a step; one that was received before is ignored, so that it may be sent again."""

    token: str
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    result_uri: str
    log_group: str
    log_stream: str
    stop_seconds: float
    """Between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Stop:
    """End a step, or never start it."""

    token: str
    result_uri: str
    reason: str


@dataclass(frozen=True)
class Message:
    """One slot of the inbox."""

    body: Start | Stop | None
    """None: it only closes."""
    closed: bool
    """Nothing may be started after it; a slot after a closed one is closed as well."""


def parse(text: bytes) -> Message:
    """Return the message in a slot.

    Raises:
        ValueError: It is none.
    """
    try:
        value = json.loads(text)
        body: Start | Stop | None = None
        if value.get("start"):
            body = _start(value["start"])
        elif value.get("stop"):
            body = Stop(**{name: str(value["stop"][name]) for name in ("token", "result_uri", "reason")})
        return Message(body, bool(value["closed"]))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"a message cannot be used ({error!r})") from error


def closing(reason: str) -> bytes:
    """Return the message by which a container refuses further steps."""
    return json.dumps({"closed": True, "reason": reason}).encode()


def slot(number: int) -> str:
    """Return the key of slot `number`, from 1, below the container's prefix."""
    return f"{INBOX}{number:0{SLOT_DIGITS}d}.json"


def _start(value: Mapping[str, Any]) -> Start:
    return Start(
        token=str(value["token"]),
        name=str(value["name"]),
        command=tuple(map(str, value["command"])),
        environment={str(key): str(item) for key, item in value["environment"].items()},
        result_uri=str(value["result_uri"]),
        log_group=str(value["log_group"]),
        log_stream=str(value["log_stream"]),
        stop_seconds=float(value["stop_seconds"]),
    )
