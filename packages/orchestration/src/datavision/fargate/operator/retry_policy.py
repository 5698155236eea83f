"""Airflow's retries by failure class, as in the table in docs/architecture.md."""

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.definitions.context import Context

from datavision.errors import UserError
from datavision.fargate.outcome import errors

FAIL_AT_ONCE = (
    errors.PermanentStartError,
    errors.UsageError,
    errors.QualityError,
    errors.MemoryCeilingError,
    errors.ResultError,
    UserError,
)
"""Failures that a retry would not fix."""


class FailureTablePolicy(RetryPolicy):
    """Fails at once what a retry cannot fix, retries at once what needs more memory, leaves the rest to Airflow."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return the decision for one failure."""
        if isinstance(exception, FAIL_AT_ONCE):
            return RetryDecision.fail(_first_line(exception))
        if isinstance(exception, errors.OutOfMemoryError):
            return RetryDecision.retry(timedelta(seconds=1), _first_line(exception))
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the policy for DAG serialisation; it has no settings."""
        return {"__type": "datavision.fargate.operator.retry_policy.FailureTablePolicy"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "FailureTablePolicy":
        """Return the policy."""
        return cls()


def _first_line(exception: BaseException) -> str:
    return str(exception).partition("\n")[0]
