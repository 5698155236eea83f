"""Rows of the source's tables, and prices."""

from typing import Final

import numpy as np
import pyarrow as pa

from datavision.local.source import business
from datavision.local.source.columns import Days, Ints, Times, choose, joined, money, texts, words

MONTHLY_CENTS: Final = np.array([plan.monthly_cents for plan in business.PLANS], dtype=np.int64)
CYCLE_MONTHS: Final = np.array([cycle[1] for cycle in business.CYCLES], dtype=np.int64)
_CYCLE_FACTORS: Final = np.array([cycle[2] for cycle in business.CYCLES])
_BASE_CENTS: Final = np.array([feature[2] for feature in business.FEATURES], dtype=np.int64)
_POPULARITY: Final = [1.0 / (rank + 1) for rank in range(len(business.FEATURES))]


def price_cents(plan: Ints, cycle: Ints, paid_on: Days, today: np.datetime64) -> Ints:
    """Return the price in cents of a period of `cycle` on `plan` that day; prices last rose a year before `today`."""
    months = CYCLE_MONTHS[cycle]
    full = MONTHLY_CENTS[plan] * months * _CYCLE_FACTORS[cycle]
    rise = np.where(paid_on < today - 365, 1 / (1 + business.PRICE_RISE), 1.0)
    cents: Ints = np.rint(full * rise).astype(np.int64)
    return cents


def feature_sale(rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
    """Return which features are bought, and for how many cents (some at a discount)."""
    feature = choose(rng, count, _POPULARITY)
    discount = np.array([1.0, 0.9, 0.8])[choose(rng, count, (0.7, 0.2, 0.1))]
    return feature, np.rint(_BASE_CENTS[feature] * discount).astype(np.int64)


def account_rows(rng: np.random.Generator, ids: Ints, created: Times, updated: Times) -> pa.Table:
    """Return rows of `accounts`."""
    name = rng.integers(0, len(business.FIRST_NAMES), len(ids))
    surname = rng.integers(0, len(business.LAST_NAMES), len(ids))
    domain = words(business.DOMAINS, rng.integers(0, len(business.DOMAINS), len(ids)))
    return pa.table(
        {
            "account_id": ids,
            "account_name": joined(words(business.FIRST_NAMES, name), words(business.LAST_NAMES, surname)),
            "email": joined(joined("cuenta", texts(ids), separator="."), domain, separator="@"),
            "created_at": created,
            "updated_at": updated,
        }
    )


def content_rows(rng: np.random.Generator, ids: Ints, account_ids: Ints, created: Times, updated: Times) -> pa.Table:
    """Return rows of `contents`; some lack a title, a description or a type."""
    count = len(ids)
    form = words(business.FORMS, rng.integers(0, len(business.FORMS), count), missing=rng.random(count) < 0.02)
    topic = words(business.TOPICS, rng.integers(0, len(business.TOPICS), count))
    kind = choose(rng, count, (0.4, 0.25, 0.15, 0.12, 0.08))
    return pa.table(
        {
            "content_id": ids,
            "account_id": account_ids,
            "title": joined(form, topic),
            "description": words(("Contenido interactivo",), np.zeros(count, int), missing=rng.random(count) < 0.1),
            "content_type": words(business.CONTENT_TYPES, kind, missing=rng.random(count) < 0.03),
            "created_at": created,
            "updated_at": updated,
        }
    )


def attribute_rows(rng: np.random.Generator, content_ids: Ints, created: Times, updated: Times) -> pa.Table:
    """Return rows of `content_attributes` for these contents: both attributes, one of them, or none."""
    has_category = rng.random(len(content_ids)) < 0.85
    has_category[-1:] = True
    has_length = rng.random(len(content_ids)) < 0.7
    category = pa.table(
        {
            "content_id": content_ids[has_category],
            "attribute_name": words(("Categoría",), np.zeros(has_category.sum(), int)),
            "string_value": words(business.TOPICS, rng.integers(0, len(business.TOPICS), has_category.sum())),
            "decimal_value": pa.nulls(int(has_category.sum()), pa.decimal128(12, 2)),
            "created_at": created[has_category],
            "updated_at": updated[has_category],
        }
    )
    length = pa.table(
        {
            "content_id": content_ids[has_length],
            "attribute_name": words(("Duración",), np.zeros(has_length.sum(), int)),
            "string_value": pa.nulls(int(has_length.sum()), pa.string()),
            "decimal_value": money(np.rint(rng.gamma(2.0, 900.0, has_length.sum())).astype(np.int64) + 50),
            "created_at": created[has_length],
            "updated_at": updated[has_length],
        }
    )
    return pa.concat_tables([category, length]).sort_by([("content_id", "ascending"), ("attribute_name", "ascending")])


def payment_rows(ids: Ints, subscription_ids: Ints, paid_at: Times, cents: Ints, method: Ints, cycle: Ints) -> pa.Table:
    """Return rows of `subscription_payments`."""
    return pa.table(
        {
            "payment_id": ids,
            "account_subscription_id": subscription_ids,
            "payment_date": paid_at,
            "amount": money(cents),
            "payment_method": words(business.METHOD_NAMES, method),
            "billing_cycle": words(business.CYCLE_NAMES, cycle),
        }
    )


def period_rows(ids: Ints, account_ids: Ints, plan: Ints, start: Times, end: Times) -> pa.Table:
    """Return rows of `accounts_subscription`; a row was last updated when the period started or ended."""
    return pa.table(
        {
            "account_subscription_id": ids,
            "account_id": account_ids,
            "subscription_id": (plan + 1).astype(np.int32),
            "start_date": start.astype("datetime64[D]"),
            "end_date": pa.array(end.astype("datetime64[D]"), mask=np.isnat(end)),
            "created_at": start,
            "updated_at": np.where(np.isnat(end), start, end),
        }
    )


def purchase_rows(ids: Ints, account_ids: Ints, feature: Ints, bought_at: Times, cents: Ints) -> pa.Table:
    """Return rows of `account_premium_features`."""
    return pa.table(
        {
            "account_feature_id": ids,
            "account_id": account_ids,
            "feature_id": (feature + 1).astype(np.int32),
            "purchase_date": bought_at,
            "amount_paid": money(cents),
        }
    )
