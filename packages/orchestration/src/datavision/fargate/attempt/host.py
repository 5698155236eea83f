"""What a lifecycle needs from its caller: state that survives, a log, a clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from datavision.aws import Cloud
from datavision.config import Config, Price
from datavision.fargate.attempt.job import Job
from datavision.fargate.launching.record import StateStore
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.outcome.cost import price_in

PATIENCE_SECONDS = 5.0
"""How long a launch may sleep in the worker before it releases the worker."""


@dataclass(frozen=True)
class Host:
    """The surroundings of one task instance."""

    job: Job
    config: Config
    cloud: Cloud
    store: StateStore
    say: Callable[[str], None]
    warn: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    count: Callable[[AuditRecord], None] = lambda _: None
    """Is told of each launch that has ended."""
    patience: float = PATIENCE_SECONDS

    @property
    def price(self) -> Price:
        """The price of this environment's tasks."""
        return price_in(self.config.aws.region, self.config.ecs)

    @property
    def bucket(self) -> str:
        """The results bucket."""
        return self.config.storage.results_bucket

    @property
    def audit_bucket(self) -> str:
        """The bucket of audit records."""
        return self.config.storage.audit_bucket

    def attempt(self, what: str, act: Callable[[], None]) -> None:
        """Do something that must not affect the task's outcome."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever fails here, the container's outcome stands
            self.warn(f"Could not {what}: {error}")
