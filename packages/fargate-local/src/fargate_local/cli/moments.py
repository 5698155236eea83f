"""Moments as people write them: how long ago, or when."""

import re
from datetime import UTC, datetime, timedelta

from fargate_local.cli.output import UserError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def milliseconds(text: str | None, option: str, now: datetime | None = None) -> int | None:
    """Return a moment in milliseconds since the epoch, or None without one.

    `text` is a time that has passed (`10m`, `1.5h`) or an ISO time, in this machine's time zone where it names none.

    Raises:
        UserError: It is neither.
    """
    if text is None:
        return None
    if found := AGO.fullmatch(text.strip()):
        moment = (now or datetime.now(UTC)) - timedelta(seconds=float(found[1]) * UNITS[found[2]])
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            message = f"{option} {text!r}: write how long ago, as 30s, 10m, 2h or 1d, or a time, as 2026-11-30T09:15"
            raise UserError(message) from None
    return int(moment.timestamp() * 1000)
