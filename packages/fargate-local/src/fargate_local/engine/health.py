"""What the results of a health check mean (API reference, HealthCheck; developer guide, "Determine task health")."""

from collections.abc import Iterable

from fargate_local.protocol.plan import HealthCheck

UNKNOWN, HEALTHY, UNHEALTHY = "UNKNOWN", "HEALTHY", "UNHEALTHY"


class Health:
    """The health of one container, from its start."""

    def __init__(self, check: HealthCheck) -> None:
        self._check = check
        self._failures = 0
        self.status = UNKNOWN

    def heard(self, *, well: bool, age: float) -> str:
        """Return the status after one more result, `age` seconds after the container's start.

        Failures within the start period count only after a first success.
        """
        if well:
            self._failures = 0
            self.status = HEALTHY
        elif self.status != UNKNOWN or age >= self._check.start_period:
            self._failures += 1
            if self._failures >= self._check.retries:
                self.status = UNHEALTHY
        return self.status


def task_health(essential: Iterable[str]) -> str:
    """Return the task's status from those of its essential containers that have a health check."""
    statuses = set(essential)
    if UNHEALTHY in statuses:
        return UNHEALTHY
    return HEALTHY if statuses == {HEALTHY} else UNKNOWN
