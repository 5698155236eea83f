from datetime import date
from typing import Any

import psycopg
import pytest

from datavision.local import source
from datavision.local.source.upkeep import load_if_empty, today
from datavision.source_tables import SOURCE_TABLES

UNTIL = date(2026, 11, 1)


def _digest(url: str) -> dict[str, Any]:
    with psycopg.connect(url) as connection:
        return {
            name: connection.execute(
                f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"
            ).fetchone()
            for name in SOURCE_TABLES
        }


def _one(url: str, query: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return row[0]


def _load(url: str, accounts: int = 300, seed: int = 3, **more: Any) -> dict[str, int]:
    return source.load(url, accounts=accounts, seed=seed, until=UNTIL, **more)


def test_load_reports_what_the_tables_then_hold(url: str) -> None:
    assert _load(url) == source.counts(url)


def test_the_tables_have_keys_and_indexes_on_what_ingesta_and_people_ask_by(url: str) -> None:
    _load(url)
    with psycopg.connect(url) as connection:
        kinds: dict[str, int] = dict(
            connection.execute(
                "SELECT contype, count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
                "AND contype IN ('p', 'f') GROUP BY 1"
            ).fetchall()
        )
        indexed = {
            row[0]
            for row in connection.execute(
                "SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%(updated_at)'"
            ).fetchall()
        }
    assert kinds == {"p": 8, "f": 7}
    assert indexed == {"accounts", "accounts_subscription", "contents", "content_attributes"}


def test_progress_ends_with_all_rows_sent(url: str) -> None:
    calls: list[tuple[str, int, int]] = []
    rows = _load(url, progress=lambda *call: calls.append(call))
    total = sum(rows.values())
    assert calls[-2][1:] == (total, total)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


def test_a_full_source_is_not_overwritten_and_the_refusal_names_both_ways_on(url: str) -> None:
    _load(url)
    before = _digest(url)
    with pytest.raises(source.SourceError, match=r"source advance.*--replace"):
        _load(url, accounts=10)
    assert _digest(url) == before


def test_replace_makes_it_anew(url: str) -> None:
    _load(url)
    source.advance(url, 1)
    _load(url, replace=True)
    fresh = _digest(url)
    _load(url, replace=True)
    assert _digest(url) == fresh


def test_advancing_is_deterministic_and_does_not_depend_on_the_size_of_the_steps(url: str) -> None:
    _load(url)
    source.advance(url, 5)
    at_once = _digest(url)
    _load(url, replace=True)
    for _ in range(5):
        source.advance(url, 1)
    assert _digest(url) == at_once


def test_a_day_brings_new_changed_late_corrected_and_deleted_rows(url: str) -> None:
    _load(url, accounts=1000)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in SOURCE_TABLES:
            connection.execute(f"CREATE TABLE public.before_{name} AS TABLE {name}")
        newest = _one(url, "SELECT max(updated_at) FROM contents")
        reached = source.advance(url, 1)

        def count(query: str) -> int:
            row = connection.execute(query).fetchone()
            assert row
            return int(row[0])

        def new(table: str, key: str) -> str:
            return f"FROM {table} n WHERE NOT EXISTS (SELECT 1 FROM before_{table} b WHERE b.{key} = n.{key})"

        assert reached == date(2026, 11, 2)
        assert count(f"SELECT count(*) {new('accounts', 'account_id')}")
        assert count(f"SELECT count(*) {new('subscription_payments', 'payment_id')}")
        assert count(f"SELECT count(*) {new('account_premium_features', 'account_feature_id')}")
        assert count(f"SELECT count(*) {new('contents', 'content_id')} AND n.updated_at < '2026-11-01'"), "no late row"
        assert count(f"SELECT count(*) {new('contents', 'content_id')} AND n.updated_at = '{newest}'"), "no tie"
        assert count(
            "SELECT count(*) FROM accounts n JOIN before_accounts b USING (account_id) WHERE n.email <> b.email"
        )
        assert count(
            "SELECT count(*) FROM content_attributes n "
            "JOIN before_content_attributes b USING (content_id, attribute_name) "
            "JOIN contents c USING (content_id) JOIN before_contents d USING (content_id) "
            "WHERE n.decimal_value <> b.decimal_value AND c.updated_at = d.updated_at"
        ), "no attribute changed alone"
        assert count(
            "SELECT count(*) FROM subscription_payments n JOIN before_subscription_payments b USING (payment_id) "
            "WHERE n.amount <> b.amount"
        )
        assert count(
            "SELECT count(*) FROM before_subscription_payments b WHERE NOT EXISTS "
            "(SELECT 1 FROM subscription_payments n WHERE n.payment_id = b.payment_id)"
        )
        assert count(
            "SELECT count(*) FROM before_contents b WHERE NOT EXISTS "
            "(SELECT 1 FROM contents n WHERE n.content_id = b.content_id)"
        )
        assert count(
            "SELECT count(*) FROM (SELECT account_id FROM accounts_subscription WHERE start_date = '2026-11-01' "
            "GROUP BY 1 HAVING count(*) > 1) x"
        ), "nobody changed twice that day"


def test_a_month_of_advancing_keeps_every_key_and_plausible_sizes(url: str) -> None:
    before = _load(url, accounts=500)
    source.advance(url, 30)
    after = source.counts(url)
    assert after
    assert all(after[name] >= before[name] for name in SOURCE_TABLES)
    assert after["accounts"] > before["accounts"]
    overlapping = (
        "SELECT count(*) FROM accounts_subscription a JOIN accounts_subscription b USING (account_id) "
        "WHERE a.account_subscription_id < b.account_subscription_id "
        "AND a.start_date < b.start_date AND coalesce(a.end_date, 'infinity') > b.start_date"
    )
    assert _one(url, overlapping) == 0


def test_an_advance_that_fails_leaves_the_day_as_it_was(url: str) -> None:
    _load(url)
    before = _digest(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE contents ADD CHECK (created_at < '2026-11-02') NOT VALID")
    with pytest.raises(psycopg.errors.CheckViolation):
        source.advance(url, 4)
    assert _digest(url) == before
    standing = source.standing(url)
    assert standing
    assert standing.day == UNTIL


def test_a_foreign_source_cannot_be_moved_on(url: str) -> None:
    with pytest.raises(source.SourceError, match="source load"):
        source.advance(url, 1)


@pytest.mark.parametrize("days", [0, -1])
def test_time_only_moves_forward(url: str, days: int) -> None:
    with pytest.raises(source.SourceError, match="at least 1"):
        source.advance(url, days)


def test_an_unreachable_source_is_one_sentence_without_the_password(url: str) -> None:
    unreachable = "postgresql://user:hidden-word@127.0.0.1:1/source"
    with pytest.raises(source.SourceUnreachable) as caught:
        source.counts(unreachable)
    assert "DATAVISION_SOURCE__URL" in str(caught.value)
    assert "hidden-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_stack_loads_an_empty_source_and_brings_an_old_one_up_to_today(url: str) -> None:
    said: list[str] = []
    load_if_empty(url, said.append, accounts=50)
    assert "two years" in said[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE datavision_generator.standing SET day = day - 3")
    load_if_empty(url, said.append)
    standing = source.standing(url)
    assert standing
    assert standing.day == today()
    silent = len(said)
    load_if_empty(url, said.append)
    assert len(said) == silent
