"""The source's tables. One table is one entry here; nothing else in the package knows a table by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ingesta.errors import UsageError

Mode = Literal["auto", "compare", "replace"]


@dataclass(frozen=True)
class ForeignKey:
    """These columns hold the key of `references`; a row without a matching row there is an orphan."""

    columns: tuple[str, ...]
    references: str


@dataclass(frozen=True)
class Table:
    """How one table is loaded."""

    name: str
    key: tuple[str, ...]
    cursor: str | None = None
    """Column with the time of a row's last change; without one, the whole table is compared by key."""
    mode: Mode = "auto"
    """`compare` writes only the rows that differ, `replace` all of them; `auto` takes the cheaper one."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    fresh: bool = False
    """Whether this table changes every day, so that an old newest row means a broken feed."""


_TABLES: Final = (
    Table("accounts", key=("account_id",), cursor="updated_at", fresh=True),
    Table("subscriptions", key=("subscription_id",), cursor="updated_at"),
    Table(
        "accounts_subscription",
        key=("account_subscription_id",),
        cursor="updated_at",
        foreign_keys=(ForeignKey(("account_id",), "accounts"), ForeignKey(("subscription_id",), "subscriptions")),
        fresh=True,
    ),
    Table(
        "contents",
        key=("content_id",),
        cursor="updated_at",
        foreign_keys=(ForeignKey(("account_id",), "accounts"),),
        fresh=True,
    ),
    Table(
        "content_attributes",
        key=("content_id", "attribute_name"),
        cursor="updated_at",
        foreign_keys=(ForeignKey(("content_id",), "contents"),),
        fresh=True,
    ),
    Table(
        "subscription_payments",
        key=("payment_id",),
        foreign_keys=(ForeignKey(("account_subscription_id",), "accounts_subscription"),),
    ),
    Table("premium_features", key=("feature_id",), cursor="updated_at"),
    Table(
        "account_premium_features",
        key=("account_feature_id",),
        foreign_keys=(ForeignKey(("account_id",), "accounts"), ForeignKey(("feature_id",), "premium_features")),
    ),
)

TABLES: Final[Mapping[str, Table]] = {table.name: table for table in _TABLES}


def select(names: Iterable[str], known: Mapping[str, Table] = TABLES) -> tuple[Table, ...]:
    """Return the named tables in the order of their declaration; all of them when none is named.

    Raises:
        UsageError: There is no such table; the text lists the valid names.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(known)):
        raise UsageError(f"There is no table {unknown[0]!r}. Name any of: {', '.join(known)}.")
    return tuple(table for name, table in known.items() if not wanted or name in wanted)
