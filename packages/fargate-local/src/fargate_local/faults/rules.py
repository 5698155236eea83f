"""Fault rules: which requests and tasks go wrong, how, how often."""

import random
import threading
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Fault = Literal[
    "throttling",
    "server-error",
    "latency",
    "access-denied",
    "response-lost",
    "capacity",
    "resource-eni",
    "cannot-pull",
    "resource-initialization",
    "eni-timeout",
    "stuck",
    "spot-interruption",
    "out-of-memory",
    "host-lost",
    "record-expiry",
]
State = Literal["PROVISIONING", "PENDING", "ACTIVATING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"]


class FaultRule(BaseModel):
    """One way to fail, and when.

    `cluster`, `family`, `action` and `capacity_provider` are shell patterns. `seconds` is the delay of the
    fault: added latency, the time spent in `state`, the time from RUNNING to the interruption, the life of a stopped
    record. `warning_seconds` is the notice before a Spot task is killed (two minutes on AWS).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: Fault
    name: str = ""
    action: str = "*"
    cluster: str = "*"
    family: str = "*"
    capacity_provider: str = "*"
    after: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Field(ge=0)] | None = None
    warning_seconds: Annotated[float, Field(ge=0)] = 120.0
    state: State = "PENDING"
    message: str | None = None

    @model_validator(mode="after")
    def _latency_has_a_length(self) -> Self:
        if self.fault == "latency" and self.seconds is None:
            raise ValueError("latency needs seconds: how much later the answer comes")
        return self


class FaultRules:
    """The active rules, with how often each has matched and was injected."""

    def __init__(self, rules: list[FaultRule] | None = None, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._entries: dict[int, _Entry] = {}
        self._next = 1
        for rule in rules or ():
            self.add(rule)

    def add(self, rule: FaultRule) -> int:
        """Add a rule and return its number."""
        with self._lock:
            number = self._next
            self._next += 1
            self._entries[number] = _Entry(rule)
            return number

    def remove(self, number: int) -> bool:
        """Remove a rule; return False when there is no such rule."""
        with self._lock:
            return self._entries.pop(number, None) is not None

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._entries.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return every rule with its number and how often it `matched` and was `injected`."""
        with self._lock:
            return [
                {
                    "id": number,
                    "matched": entry.matched,
                    "injected": entry.injected,
                    **entry.rule.model_dump(exclude_defaults=True),
                }
                for number, entry in self._entries.items()
            ]

    def draw(self, fault: Fault, **subject: str) -> FaultRule | None:
        """Return the rule that makes this subject fail now, or None; counts the match and the injection."""
        with self._lock:
            for entry in self._entries.values():
                if entry.rule.fault == fault and entry.applies(subject, self._random):
                    return entry.rule
        return None


class _Entry:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.matched = 0
        self.injected = 0

    def applies(self, subject: dict[str, str], chance: random.Random) -> bool:
        rule = self.rule
        if not all(fnmatchcase(value, getattr(rule, name)) for name, value in subject.items()):
            return False
        self.matched += 1
        if self.matched <= rule.after or (rule.times is not None and self.injected >= rule.times):
            return False
        if rule.probability < 1 and chance.random() >= rule.probability:
            return False
        self.injected += 1
        return True


class RuleError(ValueError):
    """An invalid rule; the text says which one and what is valid."""


def load_rules(path: Path) -> list[FaultRule]:
    """Read the `[[rule]]` tables of a TOML file.

    Raises:
        RuleError: The file cannot be read, or a rule is not valid.
    """
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        message = f"cannot read fault rules: {error.strerror}: {path}: name a TOML file of [[rule]] tables"
        raise RuleError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not TOML: {error}"
        raise RuleError(message) from error
    unknown = document.keys() - {"rule"}
    if unknown:
        message = f"{path}: unknown table {sorted(unknown)[0]!r}; rules are written as [[rule]] tables"
        raise RuleError(message)
    return parse_rules(document.get("rule", []), str(path))


def parse_rules(documents: Any, source: str) -> list[FaultRule]:
    """Validate rules given as plain data.

    Raises:
        RuleError: One is not valid; the text names the rule, the key and what was expected.
    """
    try:
        return TypeAdapter(list[FaultRule]).validate_python(documents)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{source}: rule {where}: {first['msg']}"
        raise RuleError(message) from error
