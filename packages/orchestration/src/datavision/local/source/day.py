"""One more day of business: what is added, changed, corrected and deleted, decided from what exists."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from datavision.local.source import business
from datavision.local.source.columns import Flags, Floats, Ints, Times, add_months, choose, times_on
from datavision.local.source.rows import (
    CYCLE_MONTHS,
    MONTHLY_CENTS,
    account_rows,
    attribute_rows,
    content_rows,
    feature_sale,
    payment_rows,
    period_rows,
    price_cents,
    purchase_rows,
)

_MEAN_DAYS: Final = np.array([plan.mean_days for plan in business.PLANS])
_NEXT_PLANS: Final = np.array([plan.next_plans for plan in business.PLANS])
_ONE_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Today:
    """What the day needs to know about the source; positions from 0 for plans, cycles and methods, -1 for none."""

    day: np.datetime64
    last_ids: dict[str, int]
    newest_content_update: np.datetime64
    subscription: Ints
    subscriber: Ints
    plan: Ints
    paid_on: Times
    """Day of the last payment of each open subscription; NaT for none."""
    cycle: Ints
    method: Ints
    author: Ints
    contents_in_90_days: Ints
    recent_payment: Ints
    recent_content: Ints
    accounts: Ints


@dataclass(frozen=True)
class Change:
    """One SQL statement over parallel arrays, each passed as one parameter."""

    statement: str
    arrays: tuple[list[Any], ...]


@dataclass(frozen=True)
class Changes:
    """A day's work, to be applied in this order: new rows by table, then changes."""

    new: dict[str, pa.Table]
    changed: tuple[Change, ...]


def one_day(rng: np.random.Generator, today: Today) -> Changes:
    """Decide everything that happens on the day."""
    joined_at = np.sort(times_on(rng, np.full(rng.poisson(0.0016 * len(today.accounts)) + 1, today.day)))
    account = today.last_ids["accounts"] + 1 + np.arange(len(joined_at))
    ends = rng.random(len(today.plan)) < 1 / _MEAN_DAYS[today.plan]
    periods, ended = _periods(rng, today, ends, account, joined_at)
    contents, attributes = _contents(rng, today)
    payments = _payments(rng, today, ends, periods)
    purchases = _purchases(rng, today)
    return Changes(
        new={
            "accounts": account_rows(rng, account, joined_at, joined_at),
            "accounts_subscription": periods,
            "contents": contents,
            "content_attributes": attributes,
            "subscription_payments": payments,
            "account_premium_features": purchases,
        },
        changed=(
            ended,
            *_edits(rng, today),
            *_corrections(rng, today),
            *_catalogue(rng, today),
            *_deletions(rng, today),
        ),
    )


def _periods(
    rng: np.random.Generator, today: Today, ends: Flags, new_account: Ints, joined_at: Times
) -> tuple[pa.Table, Change]:
    """Return periods that start today, for new accounts and plan changes, and the end of the previous ones."""
    end = times_on(rng, np.full(int(ends.sum()), today.day))
    before = today.plan[ends]
    after = (rng.random(len(end))[:, None] >= np.cumsum(_NEXT_PLANS[before], axis=1)).sum(axis=1)
    stays = after < len(business.PLANS)
    account = np.concatenate([new_account, today.subscriber[ends][stays]])
    plan = np.concatenate(
        [choose(rng, len(new_account), [p.share_of_new for p in business.PLANS]), after[stays].astype(np.int64)]
    )
    start = np.concatenate([joined_at, end[stays]])
    # A wrong choice corrected the same day: the day then holds two changes of one account.
    corrected = rng.random(len(plan)) < 0.08
    corrected[-1] = True
    rest_of_day = (today.day + _ONE_DAY - start[corrected]).astype(np.int64)
    second = start[corrected] + (rest_of_day // 2).astype("timedelta64[us]")
    first_end = np.full(len(plan), np.datetime64("NaT"), dtype="datetime64[us]")
    first_end[corrected] = second
    other = (plan[corrected] + 1) % len(business.PLANS)
    ids = today.last_ids["accounts_subscription"] + 1 + np.arange(len(plan) + len(second))
    rows = period_rows(
        ids,
        np.concatenate([account, account[corrected]]),
        np.concatenate([plan, other]),
        np.concatenate([start, second]),
        np.concatenate([first_end, np.full(len(second), np.datetime64("NaT"), dtype="datetime64[us]")]),
    )
    return rows, Change(
        "UPDATE accounts_subscription s SET end_date = u.moment::date, updated_at = u.moment "
        "FROM unnest(%s::bigint[], %s::timestamp[]) AS u(id, moment) WHERE s.account_subscription_id = u.id",
        (today.subscription[ends].tolist(), end.tolist()),
    )


def _payments(rng: np.random.Generator, today: Today, ends: Flags, begun: pa.Table) -> pa.Table:
    """Return payments due today, and the first ones of plans that start today."""
    never = np.isnat(today.paid_on)
    known = np.where(never, 0, today.cycle)
    due_on = add_months(np.where(never, today.day, today.paid_on).astype("datetime64[D]"), CYCLE_MONTHS[known])
    due = (MONTHLY_CENTS[today.plan] > 0) & ~ends & (never | (due_on <= today.day))
    due &= rng.random(len(due)) >= business.MISSED_PAYMENT
    plan = begun["subscription_id"].to_numpy().astype(np.int64) - 1
    pays = MONTHLY_CENTS[plan] > 0
    count = int(pays.sum())
    subscription = np.concatenate([today.subscription[due], begun["account_subscription_id"].to_numpy()[pays]])
    cycle = np.concatenate([known[due], choose(rng, count, [cycle[3] for cycle in business.CYCLES])])
    method = np.concatenate(
        [np.where(never, 0, today.method)[due], choose(rng, count, [method[1] for method in business.METHODS])]
    )
    moment = np.concatenate([times_on(rng, np.full(int(due.sum()), today.day)), begun["created_at"].to_numpy()[pays]])
    cents = price_cents(np.concatenate([today.plan[due], plan[pays]]), cycle, moment, today.day)
    order = np.lexsort((subscription, moment))
    ids = today.last_ids["subscription_payments"] + 1 + np.arange(len(order))
    return payment_rows(ids, subscription[order], moment[order], cents[order], method[order], cycle[order])


def _contents(rng: np.random.Generator, today: Today) -> tuple[pa.Table, pa.Table]:
    """Return the day's contents; a few arrive late, with earlier times, one of them tied with the newest known."""
    rate: Floats = today.contents_in_90_days / 90.0
    author = np.repeat(today.author, rng.poisson(rate))
    moment = times_on(rng, np.full(len(author), today.day))
    late = rng.random(len(author)) < 0.04
    late[:2] = True
    moment[late] -= rng.integers(1, 4, int(late.sum())) * _ONE_DAY
    updated = moment.copy()
    updated[:1] = today.newest_content_update
    ids = today.last_ids["contents"] + 1 + np.arange(len(author))
    return content_rows(rng, ids, author, moment, updated), attribute_rows(rng, ids, moment, moment)


def _purchases(rng: np.random.Generator, today: Today) -> pa.Table:
    count = rng.poisson(0.0006 * len(today.subscriber)) + 1
    feature, cents = feature_sale(rng, count)
    account = rng.choice(today.subscriber, count)
    moment = np.sort(times_on(rng, np.full(count, today.day)))
    ids = today.last_ids["account_premium_features"] + 1 + np.arange(count)
    return purchase_rows(ids, account, feature, moment, cents)


def _edits(rng: np.random.Generator, today: Today) -> tuple[Change, ...]:
    """Return accounts with a new address, contents with a new title, and attributes changed alone."""
    accounts = _some(rng, today.accounts, 0.0008)
    titled, lengthened = np.array_split(_some(rng, today.recent_content, 0.002), 2)
    return (
        Change(
            "UPDATE accounts a SET email = 'nuevo.' || a.email, updated_at = u.moment "
            "FROM unnest(%s::bigint[], %s::timestamp[]) AS u(id, moment) WHERE a.account_id = u.id",
            (accounts.tolist(), _moments(rng, today, len(accounts))),
        ),
        Change(
            "UPDATE contents c SET title = coalesce(c.title || ' (revisado)', 'Revisado'), updated_at = u.moment "
            "FROM unnest(%s::bigint[], %s::timestamp[]) AS u(id, moment) WHERE c.content_id = u.id",
            (titled.tolist(), _moments(rng, today, len(titled))),
        ),
        Change(
            "UPDATE content_attributes t SET decimal_value = t.decimal_value + 0.25, updated_at = u.moment "
            "FROM unnest(%s::bigint[], %s::timestamp[]) AS u(id, moment) "
            "WHERE t.content_id = u.id AND t.attribute_name = 'Duración'",
            (lengthened.tolist(), _moments(rng, today, len(lengthened))),
        ),
    )


def _corrections(rng: np.random.Generator, today: Today) -> tuple[Change, ...]:
    corrected = _some(rng, today.recent_payment, 0.004)
    wrong, refunded = np.array_split(corrected, 2)
    return (
        Change(
            "UPDATE subscription_payments SET amount = round(amount * 0.9, 2) WHERE payment_id = ANY(%s::bigint[])",
            (wrong.tolist(),),
        ),
        Change("DELETE FROM subscription_payments WHERE payment_id = ANY(%s::bigint[])", (refunded.tolist(),)),
    )


def _catalogue(rng: np.random.Generator, today: Today) -> tuple[Change, ...]:
    """Occasionally change a feature's price or a plan's allowance."""
    changes = []
    moment = _moments(rng, today, 1)
    if rng.random() < 0.1:
        feature = int(rng.integers(1, len(business.FEATURES) + 1))
        statement = (
            "UPDATE premium_features f SET base_price = round(f.base_price * 1.05, 2), updated_at = u.moment "
            "FROM unnest(%s::integer[], %s::timestamp[]) AS u(id, moment) WHERE f.feature_id = u.id"
        )
        changes.append(Change(statement, ([feature], moment)))
    if rng.random() < 0.05:
        statement = (
            "UPDATE subscriptions s SET max_contents_per_month = max_contents_per_month + 5, updated_at = u.moment "
            "FROM unnest(%s::integer[], %s::timestamp[]) AS u(id, moment) WHERE s.subscription_id = u.id"
        )
        changes.append(Change(statement, ([2], moment)))
    return tuple(changes)


def _deletions(rng: np.random.Generator, today: Today) -> tuple[Change, ...]:
    contents = _some(rng, today.recent_content, 0.0004)
    return (
        Change("DELETE FROM content_attributes WHERE content_id = ANY(%s::bigint[])", (contents.tolist(),)),
        Change("DELETE FROM contents WHERE content_id = ANY(%s::bigint[])", (contents.tolist(),)),
    )


def _some(rng: np.random.Generator, ids: Ints, share: float) -> Ints:
    """Return a share of the ids, at least two if there are that many."""
    count = min(len(ids), max(2, round(share * len(ids))))
    return np.sort(rng.choice(ids, count, replace=False))


def _moments(rng: np.random.Generator, today: Today, count: int) -> list[Any]:
    moments: list[Any] = times_on(rng, np.full(count, today.day)).tolist()
    return moments
