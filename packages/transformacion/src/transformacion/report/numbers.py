"""Numbers and dates as people in Argentina write them: pure functions."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

MONTHS: Final = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")
BUSINESS_ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")

_MINUS: Final = "\N{MINUS SIGN}"
_SPACE: Final = "\N{NO-BREAK SPACE}"


def number(value: float | Decimal, decimals: int = 0) -> str:
    """Return `1234567.5` as `1.234.567,5`."""
    text = f"{abs(value):,.{decimals}f}".translate(str.maketrans(",.", ".,"))
    return f"{_MINUS}{text}" if value < 0 and text.strip("0.,") else text


def money(value: float | Decimal) -> str:
    """Return whole pesos: `$ 1.234`."""
    sign = _MINUS if value < 0 else ""
    return f"{sign}${_SPACE}{number(value if value >= 0 else -value)}"


def percent(share: float, decimals: int = 1) -> str:
    """Return `0.123` as `12,3 %`."""
    return f"{number(share * 100, decimals)}{_SPACE}%"


def change(value: float | Decimal, decimals: int = 0) -> str:
    """Return a signed number: `+12`, `−3`, `0`."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def day(value: date) -> str:
    """Return a date as `31 dic 2025`."""
    return f"{value.day}{_SPACE}{MONTHS[value.month - 1]}{_SPACE}{value.year}"


def month(value: date) -> str:
    """Return a month as `dic 25`."""
    return f"{MONTHS[value.month - 1]}{_SPACE}{value:%y}"


def moment(value: datetime) -> str:
    """Return a moment as `31 dic 2025, 09:00` in Buenos Aires."""
    local = value.astimezone(BUSINESS_ZONE)
    return f"{day(local.date())}, {local:%H:%M}"


def ago(hours: float) -> str:
    """Return an age as `hace 5 h` or `hace 3 días`."""
    if hours < 1:
        return "hace menos de 1 h"
    if hours < 48:
        return f"hace {int(hours)} h"
    return f"hace {int(hours // 24)} días"
