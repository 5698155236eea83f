"""The business's calendar: which day a moment belongs to, for DAGs, audit records and summaries alike."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

ZONE = "America/Argentina/Buenos_Aires"


def day_of(moment: datetime) -> date:
    """Return the business day of `moment` (with a time zone): at 00:30 UTC it is still the day before in Argentina."""
    return moment.astimezone(ZoneInfo(ZONE)).date()
