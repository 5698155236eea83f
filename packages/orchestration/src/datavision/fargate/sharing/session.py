"""The tasks of a DAG that share containers."""

from dataclasses import dataclass

IDLE_SECONDS = 60.0
"""How long a container waits for its next step: as long as another would be billed at least (AWS Fargate pricing page,
November 2026)."""


@dataclass(frozen=True)
class Session:
    """Tasks of one run that share containers."""

    name: str
    idle_seconds: float = IDLE_SECONDS
    tasks: tuple[str, ...] = ()
    """Task ids of all of them: the container is large enough for each."""
    ends_after: tuple[str, ...] = ()
    """Task ids after which nothing follows: once they have succeeded the container ends. Empty: it ends when idle."""
