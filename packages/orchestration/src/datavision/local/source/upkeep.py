"""What the local stack does about the source at start."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from datavision.local.source.database import advance, counts, load, standing

ACCOUNTS: Final = 20_000
SEED: Final = 42

_CATCH_UP_DAYS: Final = 60


def today() -> date:
    """Return the business's current day: days start at midnight UTC."""
    return datetime.now(UTC).date()


def load_if_empty(url: str, report: Callable[[str], object], accounts: int = ACCOUNTS) -> None:
    """Load the default business into an empty source; one that was left alone for some weeks is brought up to today.

    A source that this project did not create, or that is older, is left as it is.
    """
    present = counts(url)
    if not present or not any(present.values()):
        report(f"loading the source: {accounts:,} accounts, two years")
        rows = load(url, accounts=accounts, seed=SEED, until=today())
        report(f"the source holds {sum(rows.values()):,} rows")
        return
    now = standing(url)
    if now is None:
        return
    behind = (today() - now.day).days
    if 0 < behind <= _CATCH_UP_DAYS:
        report(f"advancing the source by {behind} days to today")
        advance(url, behind)
    elif behind > 0:
        report(f"the source ends at {now.day}: advance it to today with datavision source advance --days {behind}")
