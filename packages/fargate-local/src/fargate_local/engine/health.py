"""What the answers of a health check mean (API reference, HealthCheck; developer guide, "Determine task health")."""

from collections.abc import Iterable

from fargate_local.protocol.plan import HealthCheck

UNKNOWN, HEALTHY, UNHEALTHY = "UNKNOWN", "HEALTHY", "UNHEALTHY"


class Health:
    """The health of one container, from the moment that it starts."""

    def __init__(self, check: HealthCheck) -> None:
        self._check = check
        self._failures = 0
        self.status = UNKNOWN

    def heard(self, *, well: bool, age: float) -> str:
        """The status after one more answer, ``age`` seconds after the container's start.

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
    """The task's status out of those of its essential containers that have a health check."""
    statuses = set(essential)
    if UNHEALTHY in statuses:
        return UNHEALTHY
    return HEALTHY if statuses == {HEALTHY} else UNKNOWN
