"""Two years of business, generated at once: the same seed, size and date produce the same rows."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from datavision.local.source import business
from datavision.local.source.columns import (
    Days,
    Floats,
    Ints,
    Times,
    add_months,
    choose,
    money,
    plus_days,
    times_between,
    times_on,
)
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

DAYS: Final = 730

_MEAN_DAYS: Final = np.array([plan.mean_days for plan in business.PLANS])
_NEXT_PLANS: Final = np.array([plan.next_plans for plan in business.PLANS])
_CONTENTS_PER_MONTH: Final = np.array([plan.contents_per_month for plan in business.PLANS])
_MAX_CONTENTS: Final = np.array([plan.max_contents_per_month for plan in business.PLANS], dtype=np.float64)


@dataclass(frozen=True)
class Periods:
    """Every account's periods on a plan, in order of their start; `account` and `plan` are positions from 0."""

    account: Ints
    plan: Ints
    start: Times
    end: Times
    """NaT while the period lasts."""


def generate(accounts: int, seed: int, until: date) -> dict[str, pa.Table]:
    """Return the eight tables, by name, as they are at the start of the day `until`."""
    rng = np.random.default_rng(seed)
    today = np.datetime64(until, "D")
    first = today - DAYS
    signed_up = np.sort(times_on(rng, _signup_days(rng, accounts, first)))
    periods = _periods(rng, signed_up, today)
    last_seen = _last_seen(signed_up, periods, today)
    contents, attributes = _contents(rng, signed_up, last_seen, periods, today)
    return {
        "accounts": _accounts(rng, signed_up, today),
        "subscriptions": _subscriptions(first),
        "accounts_subscription": _accounts_subscription(periods),
        "contents": contents,
        "content_attributes": attributes,
        "subscription_payments": _payments(rng, periods, today),
        "premium_features": _features(first),
        "account_premium_features": _purchases(rng, signed_up, last_seen, periods),
    }


def _ids(count: int) -> Ints:
    return np.arange(1, count + 1, dtype=np.int64)


def _signup_days(rng: np.random.Generator, count: int, first: np.datetime64) -> Days:
    days = first + np.arange(DAYS)
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    weekday = (days.astype(np.int64) + 3) % 7
    season = 1.0 + 0.25 * np.cos(2 * np.pi * (month - 2) / 12)
    weight = np.exp(np.arange(DAYS) / DAYS) * season * np.where(weekday >= 5, 0.55, 1.0)
    signed_up = days[choose(rng, count, weight.tolist())]
    # However small the business, there was a customer yesterday: its data is never stale.
    signed_up[-1] = days[-1]
    return signed_up


def _periods(rng: np.random.Generator, signed_up: Times, today: np.datetime64) -> Periods:
    end_of_time = today.astype("datetime64[us]")
    account = np.arange(len(signed_up))
    start = signed_up
    plan = choose(rng, len(account), [plan.share_of_new for plan in business.PLANS])
    rounds = []
    while len(account):
        days = np.ceil(rng.exponential(_MEAN_DAYS[plan])).astype(np.int64)
        days[rng.random(len(days)) < business.SAME_DAY_CHANGE] = 0
        same_day = start + (rng.random(len(days)) * 0.5 * _rest_of_day(start)).astype(np.int64).astype(
            "timedelta64[us]"
        )
        end = np.where(days == 0, same_day, times_on(rng, plus_days(start, days)))
        ends = end < end_of_time
        rounds.append((account, plan, start, np.where(ends, end, np.datetime64("NaT"))))
        choice = rng.random(len(account))
        next_plan = (choice[:, None] >= np.cumsum(_NEXT_PLANS[plan], axis=1)).sum(axis=1)
        leaves = next_plan == len(business.PLANS)
        gap = np.ceil(rng.exponential(business.COMEBACK_MEAN_DAYS, len(account))).astype(np.int64)
        back = times_on(rng, plus_days(end, gap))
        returns = rng.random(len(account)) < business.COMEBACK
        next_start = np.where(leaves, back, end)
        goes_on = ends & (~leaves | returns) & (next_start < end_of_time)
        account, plan, start = account[goes_on], np.where(leaves, plan, next_plan)[goes_on], next_start[goes_on]
    columns = [np.concatenate(parts) for parts in zip(*rounds, strict=True)]
    order = np.lexsort((columns[0], columns[2]))
    return Periods(*(column[order] for column in columns))


def _rest_of_day(moments: Times) -> Floats:
    return (moments.astype("datetime64[D]") + 1 - moments).astype(np.int64).astype(np.float64)


def _last_seen(signed_up: Times, periods: Periods, today: np.datetime64) -> Times:
    """Return when each account's last period ended; `today` while one lasts."""
    last = signed_up.copy()
    ends = np.where(np.isnat(periods.end), today.astype("datetime64[us]"), periods.end)
    np.maximum.at(last, periods.account, ends)
    return last


def _first_plan(count: int, periods: Periods) -> Ints:
    plan = np.zeros(count, dtype=np.int64)
    plan[periods.account[::-1]] = periods.plan[::-1]
    return plan


def _accounts(rng: np.random.Generator, signed_up: Times, today: np.datetime64) -> pa.Table:
    changed = rng.random(len(signed_up)) < 0.2
    end = np.full(len(signed_up), today.astype("datetime64[us]") - np.timedelta64(1, "s"))
    updated = np.where(changed, times_between(rng, signed_up, end), signed_up)
    return account_rows(rng, _ids(len(signed_up)), signed_up, updated)


def _subscriptions(first: np.datetime64) -> pa.Table:
    moment = np.full(len(business.PLANS), first.astype("datetime64[us]"))
    return pa.table(
        {
            "subscription_id": np.array([plan.id for plan in business.PLANS], dtype=np.int32),
            "subscription_name": [plan.name for plan in business.PLANS],
            "max_contents_per_month": np.array([p.max_contents_per_month for p in business.PLANS], dtype=np.int32),
            "created_at": moment,
            "updated_at": moment,
        }
    )


def _accounts_subscription(periods: Periods) -> pa.Table:
    return period_rows(_ids(len(periods.plan)), periods.account + 1, periods.plan, periods.start, periods.end)


def _payments(rng: np.random.Generator, periods: Periods, today: np.datetime64) -> pa.Table:
    paid = np.flatnonzero(MONTHLY_CENTS[periods.plan] > 0)
    cycle = choose(rng, len(paid), [cycle[3] for cycle in business.CYCLES])
    method = choose(rng, len(paid), [method[1] for method in business.METHODS])
    start = periods.start[paid].astype("datetime64[D]")
    end = np.where(np.isnat(periods.end[paid]), today, periods.end[paid].astype("datetime64[D]"))
    months = (end.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64)
    count = months // CYCLE_MONTHS[cycle] + 1
    row = np.repeat(np.arange(len(paid)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    day = add_months(start[row], number * CYCLE_MONTHS[cycle[row]])
    kept = (number == 0) | ((day < end[row]) & (rng.random(len(row)) >= business.MISSED_PAYMENT))
    row, number, day = row[kept], number[kept], day[kept]
    moment = np.where(number == 0, periods.start[paid][row], times_on(rng, day))
    order = np.lexsort((row, moment))
    row, day, moment = row[order], day[order], moment[order]
    cents = price_cents(periods.plan[paid][row], cycle[row], day, today)
    return payment_rows(_ids(len(row)), paid[row] + 1, moment, cents, method[row], cycle[row])


def _contents(
    rng: np.random.Generator, signed_up: Times, last_seen: Times, periods: Periods, today: np.datetime64
) -> tuple[pa.Table, pa.Table]:
    plan = _first_plan(len(signed_up), periods)
    months = (last_seen - signed_up).astype(np.int64) / (30.4 * 86_400_000_000)
    keenness = np.minimum(rng.lognormal(-0.5, 1.0, len(plan)) * _CONTENTS_PER_MONTH[plan], _MAX_CONTENTS[plan])
    # Some lose interest long before their plan ends, so that recency is informative.
    engaged = np.where(rng.random(len(plan)) < 0.6, 1.0, rng.beta(2.0, 2.0, len(plan)))
    account = np.repeat(np.arange(len(plan)), rng.poisson(keenness * months * engaged))
    life = (last_seen - signed_up)[account].astype(np.int64) * engaged[account]
    moment = signed_up[account] + (rng.random(len(account)) * life).astype(np.int64).astype("timedelta64[us]")
    moment = np.maximum(np.minimum(_on_working_days(rng, moment), last_seen[account]), signed_up[account])
    end_of_time = today.astype("datetime64[us]") - np.timedelta64(1, "s")
    account = np.append(account, len(plan) - 1)
    moment = np.minimum(np.append(moment, signed_up[-1] + np.timedelta64(10, "m")), end_of_time)
    order = np.lexsort((account, moment))
    account, moment = account[order], moment[order]
    ids = _ids(len(account))
    newest = np.full(len(ids), end_of_time)
    edited = np.where(rng.random(len(ids)) < 0.15, times_between(rng, moment, newest), moment)
    contents = content_rows(rng, ids, account + 1, moment, edited)
    changed = np.where(rng.random(len(ids)) < 0.05, times_between(rng, moment, newest), moment)
    return contents, attribute_rows(rng, ids, moment, changed)


def _on_working_days(rng: np.random.Generator, moments: Times) -> Times:
    weekend = (moments.astype("datetime64[D]").astype(np.int64) + 3) % 7 >= 5
    return np.where(weekend & (rng.random(len(moments)) < 0.6), moments - np.timedelta64(2, "D"), moments)


def _features(first: np.datetime64) -> pa.Table:
    moment = np.full(len(business.FEATURES), first.astype("datetime64[us]"))
    return pa.table(
        {
            "feature_id": np.arange(1, len(business.FEATURES) + 1, dtype=np.int32),
            "feature_name": [feature[0] for feature in business.FEATURES],
            "description": [feature[1] for feature in business.FEATURES],
            "base_price": money(np.array([feature[2] for feature in business.FEATURES], dtype=np.int64)),
            "created_at": moment,
            "updated_at": moment,
        }
    )


def _purchases(rng: np.random.Generator, signed_up: Times, last_seen: Times, periods: Periods) -> pa.Table:
    plan = _first_plan(len(signed_up), periods)
    mean = np.array([0.05, 0.45, 1.2])[plan] * rng.gamma(0.5, 2.0, len(plan))
    account = np.repeat(np.arange(len(plan)), rng.poisson(mean))
    moment = times_between(rng, signed_up[account], last_seen[account] - np.timedelta64(1, "s"))
    feature, cents = feature_sale(rng, len(account))
    order = np.lexsort((account, moment))
    return purchase_rows(_ids(len(account)), account[order] + 1, feature[order], moment[order], cents[order])
