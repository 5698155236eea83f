from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from datavision.local.source.columns import add_months, money
from datavision.local.source.generate import generate

UNTIL = date(2026, 11, 1)


@pytest.fixture(scope="module")
def business() -> dict[str, pa.Table]:
    return generate(5000, 7, UNTIL)


def test_the_same_seed_gives_the_same_rows(business: dict[str, pa.Table]) -> None:
    again = generate(5000, 7, UNTIL)
    assert all(business[name].equals(again[name]) for name in business)


def test_another_seed_gives_another_business(business: dict[str, pa.Table]) -> None:
    assert not generate(5000, 8, UNTIL)["contents"].equals(business["contents"])


@pytest.mark.parametrize("accounts", [1, 2, 50])
def test_a_tiny_business_has_all_tables_and_a_recent_row(accounts: int) -> None:
    tables = generate(accounts, 1, UNTIL)
    assert len(tables) == 8
    yesterday = np.datetime64(UNTIL - timedelta(days=1))
    for name in ("accounts", "accounts_subscription", "contents", "content_attributes"):
        assert tables[name]["updated_at"].to_numpy().max() >= yesterday


def test_nothing_happens_on_or_after_the_present_day(business: dict[str, pa.Table]) -> None:
    limit = np.datetime64(UNTIL, "us")
    for table in business.values():
        for column in table.column_names:
            if pa.types.is_timestamp(table.schema.field(column).type):
                assert table[column].to_numpy().max() < limit
                assert table[column].to_numpy().min() >= limit - np.timedelta64(731, "D")


def test_rows_change_only_after_they_were_made(business: dict[str, pa.Table]) -> None:
    for table in business.values():
        if "updated_at" in table.column_names:
            assert pc.all(pc.greater_equal(table["updated_at"], table["created_at"])).as_py()


def test_gratuita_is_the_biggest_plan_and_the_others_pay(business: dict[str, pa.Table]) -> None:
    open_now = business["accounts_subscription"].filter(pc.field("end_date").is_null())
    share = {item["values"]: item["counts"] for item in pc.value_counts(open_now["subscription_id"]).to_pylist()}
    assert share[1] > share[3] > 0
    assert share[2] > share[3]
    paying = set(business["subscription_payments"]["account_subscription_id"].to_pylist())
    plans = dict(
        zip(
            business["accounts_subscription"]["account_subscription_id"].to_pylist(),
            business["accounts_subscription"]["subscription_id"].to_pylist(),
            strict=True,
        )
    )
    assert {plans[subscription] for subscription in paying} == {2, 3}


def test_accounts_upgrade_downgrade_leave_come_back_and_change_twice_a_day(business: dict[str, pa.Table]) -> None:
    rows = business["accounts_subscription"].sort_by(
        [("account_id", "ascending"), ("account_subscription_id", "ascending")]
    )
    account = rows["account_id"].to_numpy()
    plan = rows["subscription_id"].to_numpy()
    same = account[1:] == account[:-1]
    assert (same & (plan[1:] > plan[:-1])).any()
    assert (same & (plan[1:] < plan[:-1])).any()
    assert (same & (plan[1:] == plan[:-1])).any()
    start = rows["start_date"].to_numpy()
    end = rows["end_date"].to_numpy(zero_copy_only=False)
    assert (same & (start[1:] > end[:-1])).any(), "nobody came back after a pause"
    assert (start == end).any(), "nobody changed twice in a day"
    last = np.append(~same, True)
    assert (last & ~np.isnat(end)).any(), "nobody left"


def test_plans_of_an_account_do_not_overlap(business: dict[str, pa.Table]) -> None:
    rows = business["accounts_subscription"].sort_by(
        [("account_id", "ascending"), ("account_subscription_id", "ascending")]
    )
    account = rows["account_id"].to_numpy()
    start = rows["start_date"].to_numpy()
    end = rows["end_date"].to_numpy(zero_copy_only=False)
    same = account[1:] == account[:-1]
    assert (start[1:][same] >= end[:-1][same]).all()


def test_payments_follow_their_billing_cycle(business: dict[str, pa.Table]) -> None:
    payments = business["subscription_payments"]
    assert set(payments["billing_cycle"].to_pylist()) == {"mensual", "trimestral", "anual"}
    yearly = payments.filter(pc.field("billing_cycle") == "anual")
    by_subscription: dict[int, list[date]] = {}
    for row in yearly.select(["account_subscription_id", "payment_date"]).to_pylist():
        by_subscription.setdefault(row["account_subscription_id"], []).append(row["payment_date"].date())
    gaps = [(b - a).days for days in by_subscription.values() for a, b in pairwise(days)]
    assert gaps
    assert all(gap in (365, 366) for gap in gaps)


def test_some_contents_have_both_attributes_and_some_have_none(business: dict[str, pa.Table]) -> None:
    counts = pc.value_counts(business["content_attributes"]["content_id"]).field("counts").to_pylist()
    assert set(counts) == {1, 2}
    assert len(counts) < business["contents"].num_rows


def test_activity_is_skewed(business: dict[str, pa.Table]) -> None:
    counts = np.sort(pc.value_counts(business["contents"]["account_id"]).field("counts").to_numpy())[::-1]
    assert counts[: len(counts) // 10].sum() > 0.35 * counts.sum()


def test_money_is_exact_also_below_zero() -> None:
    assert [str(value) for value in money(np.array([1, 100, -5, 12345678901]))] == [
        "0.01",
        "1.00",
        "-0.05",
        "123456789.01",
    ]


def test_months_are_clamped_to_their_end() -> None:
    days = np.array(["2024-01-31", "2023-01-31", "2024-11-30"], dtype="datetime64[D]")
    assert add_months(days, np.array([1, 1, 3])).astype(str).tolist() == ["2024-02-29", "2023-02-28", "2025-02-28"]
