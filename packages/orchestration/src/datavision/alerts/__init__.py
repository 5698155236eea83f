"""Alerts to people, in Spanish: a task that failed for good, that works again, a run that is late.

Retries are not told by themselves: the failure says how many tries there were. `[alerts]` says who hears of it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference


def tell_failure(context: Any) -> None:
    """Tell of a task that has failed and will not be retried; for `on_failure_callback`."""
    from datavision.alerts.told import failed

    failed(context)


def tell_recovery(context: Any) -> None:
    """Tell of a task that has succeeded, if its last failure was told; for `on_success_callback`."""
    from datavision.alerts.told import recovered

    recovered(context)


def tell_budget() -> dict[str, Any]:
    """Tell of a month whose containers cost most of its budget, or all of it; return what they cost.

    Raises:
        ClientError: The records cannot be read, or what was told cannot be kept.
    """
    from datavision.alerts.budget import check_budget

    return check_budget()


def tell_delays() -> dict[str, Any]:
    """Tell of what takes much longer than usual, and of green runs without new data; return what was told now.

    Raises:
        ClientError: The records cannot be read, or what was told cannot be kept.
    """
    from datavision.alerts.delayed import check_delays

    return check_delays()


def late_alert(after: timedelta, at: str) -> DeadlineAlert:
    """Return the alert for a scheduled run that is not done `after` its logical date; `at` is that time for people.

    The scheduler notices it, and a worker tells it: a triggerer that is down keeps no run waiting and no alert back.
    """
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=after,
        callback=SyncCallback("datavision.alerts.tell_late", kwargs={"at": at}),
        name=f"sin terminar a las {at}",
    )


def tell_late(at: str, context: Any) -> None:
    """Tell of a run that is late; Airflow hands in what it knows of the run."""
    from datavision.alerts.told import late

    late(context, at)
