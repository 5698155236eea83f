"""Schedules of EventBridge Scheduler that a test does not want to wait for."""

from datetime import UTC, datetime, timedelta
from typing import Any


def start_soon(scheduler: Any, name: str) -> None:
    """Start in three seconds what the schedule of this name, in the group of the same name, starts at its hour."""
    scheduler.create_schedule(
        Name="soon",
        GroupName=name,
        ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=3):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=scheduler.get_schedule(Name=name, GroupName=name)["Target"],
    )
