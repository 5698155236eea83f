"""What the results of a target group's health checks mean.

Application Load Balancer user guide, "Health checks for your target groups"; ELB API reference, "TargetHealth" (read
November 2026).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["initial", "healthy", "unhealthy", "draining", "unused"]


@dataclass(frozen=True, slots=True)
class Health:
    """What DescribeTargetHealth tells of a target."""

    state: State
    reason: str | None = None
    description: str | None = None


REGISTERING: Final = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING: Final = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY: Final = Health("healthy")
TIMED_OUT: Final = Health("unhealthy", "Target.Timeout", "Request timed out")
FAILED: Final = Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
INTERNAL_ERROR: Final = Health("unhealthy", "Elb.InternalError", "Health checks failed due to an internal error")
DRAINING: Final = Health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
NOT_IN_USE: Final = Health(
    "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
)


def mismatch(code: int) -> Health:
    """Return what an answer means whose code the group does not expect."""
    return Health("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]")


@dataclass(slots=True)
class Verdict:
    """The health of one target, from check to check.

    A new target is healthy after its first success; from then on, and back, only so many results in a row change it.
    """

    health: Health = REGISTERING
    in_a_row: int = 0

    def heard(self, result: Health, healthy_after: int, unhealthy_after: int) -> Health:
        """Return the health after one more result, which is `HEALTHY` or why the check failed."""
        well, state = result.state == "healthy", self.health.state
        if well == (state == "healthy") and state != "initial":
            self.in_a_row = 0
            if not well:
                self.health = result
            return self.health
        self.in_a_row += 1
        enough = unhealthy_after if not well else 1 if state == "initial" else healthy_after
        if self.in_a_row >= enough:
            self.health, self.in_a_row = result, 0
        return self.health


def expected_codes(matcher: str) -> Callable[[int], bool]:
    """Return whether an answer's code is one that a matcher such as `200,301-303` names."""
    spans = [span.partition("-") for span in matcher.replace(" ", "").split(",") if span]
    return lambda code: any(int(first) <= code <= int(last or first) for first, _, last in spans)
