"""When a schedule expression of EventBridge is due: `rate(…)`, `cron(…)`, and Scheduler's `at(…)`.

User guide of EventBridge, "Cron expressions" and "Rate expressions"; of Scheduler, "Schedule types" (November 2026).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadCronError, CroniterBadDateError

RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
CRON: Final = re.compile(r"cron\((.*)\)")
AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
UNITS: Final = {"minute": 60, "hour": 3600, "day": 86_400}
CRON_FIELDS: Final = 6
DAY_NUMBER: Final = re.compile(r"(?<![\d#/])([1-7])(?!\d)")


class ScheduleError(ValueError):
    """An expression that EventBridge refuses."""


def next_time(expression: str, after: datetime, began: datetime, zone: str = "UTC") -> datetime | None:
    """Return the first time later than `after` at which a schedule is due; None when there is none.

    Args:
        expression: `rate(…)`, `cron(…)` or `at(…)`.
        after: the moment to look from.
        began: when a rate began to count.
        zone: the time zone of `cron` and `at`.

    Raises:
        ScheduleError: EventBridge would reject the expression.
    """
    if rate := RATE.fullmatch(expression):
        return next_of_rate(int(rate[1]), rate[2], bool(rate[3]), after, began)
    if at := AT.fullmatch(expression):
        try:
            once = datetime.fromisoformat(at[1]).replace(tzinfo=ZoneInfo(zone))
        except ValueError as error:
            raise ScheduleError(expression) from error
        return once if once > after else None
    if cron := CRON.fullmatch(expression):
        return next_of_cron(cron[1], after.astimezone(ZoneInfo(zone)))
    raise ScheduleError(expression)


def next_of_rate(number: int, unit: str, plural: bool, after: datetime, began: datetime) -> datetime:
    """Return the first time later than `after` that is a whole number of periods after `began`, or `began` itself.

    Raises:
        ScheduleError: The number is 0, or the unit is not singular for 1 and plural for more.
    """
    if number < 1 or plural != (number > 1):
        raise ScheduleError(number, unit)
    period = timedelta(seconds=number * UNITS[unit])
    if began > after:
        return began
    return began + period * ((after - began) // period + 1)


def next_of_cron(fields: str, after: datetime) -> datetime | None:
    """Return when AWS's six fields (minute, hour, day, month, day of the week, year) are next met; None for never.

    Raises:
        ScheduleError: There are not six fields, or one is not valid.
    """
    parts = fields.split()
    if len(parts) != CRON_FIELDS or (parts[2] == "?") == (parts[4] == "?"):
        raise ScheduleError(fields)
    minute, hour, day, month, weekday, year = (part.replace("?", "*") for part in parts)
    # AWS counts the days of the week from 1, which is Sunday; croniter from 0, and its L comes before the day.
    weekday = DAY_NUMBER.sub(lambda found: str(int(found[1]) - 1), weekday)
    weekday = "6" if weekday == "L" else re.sub(r"^(\d)L$", r"L\1", weekday)
    try:
        found = croniter(f"{minute} {hour} {day} {month} {weekday} 0 {year}", after).get_next(datetime)
    except CroniterBadDateError:
        return None
    except (CroniterBadCronError, ValueError, KeyError) as error:
        raise ScheduleError(fields) from error
    return found.astimezone(UTC)
