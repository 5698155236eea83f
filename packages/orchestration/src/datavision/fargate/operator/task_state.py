"""Airflow's task state store, as the lifecycle uses it."""

from datetime import timedelta
from typing import Any

RETENTION = timedelta(days=30)
"""Longer than any run; said for each key, so that a short default in airflow.cfg cannot lose a launch."""


class TaskState:
    """Keeps what a retry needs in Airflow's database; it survives retries of the task and is deleted with the run."""

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> Any:
        """Return the value stored under `key`, or None."""
        return self._accessor.get(key)

    def set(self, key: str, value: Any) -> None:
        """Store `value` under `key`."""
        self._accessor.set(key, value, retention=RETENTION)
