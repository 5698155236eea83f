"""What the task state store keeps of a launch, so that a retry finds what the earlier attempt left behind."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from datavision.fargate.launching.request import Market
from datavision.fargate.sizing.sizes import FargateSize

TOKEN_SECONDS = 23 * 3600
"""How long a token may be sent again; ECS keeps it for 24 h (ECS API reference, RunTask, November 2026)."""


class StateStore(Protocol):
    """The part of Airflow's task state store that a launch needs."""

    def get(self, key: str) -> Any:
        """Return the value stored under `key`, or None."""

    def set(self, key: str, value: Any) -> None:
        """Store `value` under `key`."""


@dataclass(frozen=True)
class LaunchRecord:
    """One launch: written before RunTask is called, and again with the ARN before waiting."""

    token: str
    generation: int
    """Airflow's max_tries, which rises when a user clears the task and never by a retry."""
    try_number: int
    launch: int
    """Launches of this Airflow try so far, this one included."""
    spent: int
    """Launches that count against the budget; throttled calls do not."""
    try_started_at: float
    """Unix seconds when this Airflow try began; execution_timeout counts from here."""
    budget_started_at: float
    intended_at: float
    request: dict[str, Any]
    """The arguments of RunTask: sent again unchanged if it is unknown whether they arrived."""
    market: Market
    cpu: int
    memory: int
    why_size: str
    result_key: str
    arn: str | None = None
    launched_at: float = 0.0
    """Unix seconds when ECS answered with the ARN."""
    step: dict[str, Any] | None = None
    """In a shared container: the step as its inbox takes it; `request` and `arn` are then the container's."""
    container: int = 0
    """Number of the shared container that has the step; 0: none yet, or a container of its own."""
    traceparent: str = ""
    """The span that this launch's own is below; empty: there is none."""

    @property
    def size(self) -> FargateSize:
        """The Fargate size of this launch."""
        return FargateSize(self.cpu, self.memory)

    @property
    def command(self) -> tuple[str, ...]:
        """The command, as it was launched."""
        if self.step:
            return tuple(self.step["command"])
        return tuple(self.request["overrides"]["containerOverrides"][0]["command"])

    @property
    def log_position_key(self) -> str:
        """The object key under which the log's forwarding position is stored."""
        return f"{self.result_key}.log-position"

    def with_arn(self, arn: str, launched_at: float) -> "LaunchRecord":
        """Return the record of the launch that became task `arn` at `launched_at`."""
        return replace(self, arn=arn, launched_at=launched_at)


_LAUNCH, _GROWN = "fargate_launch", "fargate_grown_size"


def read_launch(store: StateStore) -> LaunchRecord | None:
    """Return the last launch of this task instance, or None."""
    value = store.get(_LAUNCH)
    return LaunchRecord(**value) if isinstance(value, Mapping) else None


def write_launch(store: StateStore, record: LaunchRecord) -> None:
    """Store the launch."""
    store.set(_LAUNCH, asdict(record))


def read_grown(store: StateStore) -> FargateSize | None:
    """Return the size this run grew to, or None."""
    value = store.get(_GROWN)
    return FargateSize(**value) if isinstance(value, Mapping) else None


def write_grown(store: StateStore, size: FargateSize) -> None:
    """Store the size that the next launch of this run takes."""
    store.set(_GROWN, asdict(size))
