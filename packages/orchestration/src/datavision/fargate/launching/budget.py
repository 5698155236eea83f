"""The launch budget: how often and for how long a launch may be retried inside one Airflow try."""

from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, stop_after_attempt, stop_after_delay, wait_exponential, wait_random

from datavision.config import Launch


@dataclass(frozen=True)
class LaunchBudget:
    """Attempts, total time and jittered exponential backoff, from `[ecs.launch]`."""

    limits: Launch

    def next_delay(self, attempts: int, elapsed_seconds: float) -> float | None:
        """Return the seconds until the next launch after `attempts` so far, or None when the budget is spent."""
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = attempts
        state.outcome_timestamp = state.start_time + elapsed_seconds
        stop = stop_after_attempt(self.limits.attempts) | stop_after_delay(self.limits.total_seconds)
        if stop(state):
            return None
        limits = self.limits
        wait = wait_exponential(multiplier=limits.backoff_initial_seconds, max=limits.backoff_max_seconds)
        return min((wait + wait_random(0, limits.backoff_initial_seconds))(state), limits.backoff_max_seconds)
