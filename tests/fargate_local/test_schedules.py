"""When schedules are due.

EventBridge's user guide, "Creating a rule that runs on a schedule", with its examples; Scheduler's, "Schedule types".
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fargate_local.cloud.schedules import ScheduleError, next_time

# A Wednesday.
NOW = datetime(2026, 11, 25, 20, 0, 30, tzinfo=UTC)


def due(expression: Any, after: Any = NOW, **settings: Any) -> Any:
    found = next_time(expression, after, settings.pop("began", NOW), **settings)
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if found else None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 10 * * ? *)", "2026-11-26 10:00:00"),
        ("cron(15 12 * * ? *)", "2026-11-26 12:15:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-26 18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-12-01 08:00:00"),
        ("cron(0/15 * * * ? *)", "2026-11-25 20:15:00"),
        ("cron(0/10 * ? * MON-FRI *)", "2026-11-25 20:10:00"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-11-26 08:00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-12-07 09:00:00"),
        ("cron(0 0 ? * 1 *)", "2026-11-29 00:00:00"),
        ("cron(0 0 ? * 7 *)", "2026-11-28 00:00:00"),
        ("cron(0 0 ? * L *)", "2026-11-28 00:00:00"),
        ("cron(0 0 L * ? *)", "2026-11-30 00:00:00"),
        ("cron(0 0 ? * 6L *)", "2026-11-27 00:00:00"),
        ("cron(0 0 1 1 ? 2030)", "2030-01-01 00:00:00"),
        ("cron(0 0 1 1 ? 2020)", None),
        ("at(2026-11-25T20:00:31)", "2026-11-25 20:00:31"),
        ("at(2026-11-25T20:00:30)", None),
    ],
)
def test_an_expression_is_due_when_aws_says(expression: Any, expected: Any) -> None:
    assert due(expression) == expected


def test_a_rate_counts_from_its_begin() -> None:
    assert due("rate(5 minutes)") == "2026-11-25 20:05:30"
    assert due("rate(1 hour)", after=NOW + timedelta(hours=1)) == "2026-11-25 22:00:30"
    assert due("rate(7 days)", after=NOW + timedelta(days=8)) == "2026-12-09 20:00:30"
    assert due("rate(1 minute)", began=NOW + timedelta(days=1)) == "2026-11-26 20:00:30"


def test_a_time_zone_moves_with_its_summer_time() -> None:
    assert due("cron(0 9 * * ? *)", zone="Europe/Madrid") == "2026-11-26 08:00:00"
    assert due("cron(0 9 * * ? *)", zone="Europe/Madrid", after=datetime(2026, 7, 1, tzinfo=UTC)) == (
        "2026-07-01 07:00:00"
    )
    assert due("at(2026-12-01T09:00:00)", zone="America/New_York") == "2026-12-01 14:00:00"


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "every day",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "cron(* * * *)",
        "cron(15 12 * * 0)",
        "cron(7 20 * * 1-7 *)",
        "cron(0 8 ? * ? *)",
        "cron(99 8 * * ? *)",
        "at(2026-13-01T00:00:00)",
        "at(tomorrow)",
    ],
)
def test_what_is_no_expression_is_refused(expression: Any) -> None:
    """Some of them from github.com/localstack/localstack/pull/12156 and github.com/aws/aws-cdk/issues/32753."""
    with pytest.raises(ScheduleError):
        next_time(expression, NOW, NOW)
