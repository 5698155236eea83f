import threading
from typing import Any

import psycopg
import pytest

from datavision_lakehouse import connect
from ingesta.quality import Gate, SourceKeys
from ingesta.tables import TABLES

Place = Any


def test_a_load_sees_one_moment_of_a_source_that_keeps_changing(place: Place) -> None:
    """Two ledgers change together in every transaction: a torn read would give them different sums."""
    place.change("ALTER TABLE accounts ADD balance bigint NOT NULL DEFAULT 0, ADD filler text")
    place.change("ALTER TABLE account_premium_features ADD balance bigint NOT NULL DEFAULT 0")
    stop = threading.Event()
    rounds = 0

    def move() -> None:
        nonlocal rounds
        with psycopg.connect(place.source_url) as connection:
            while not stop.is_set():
                connection.execute("UPDATE accounts SET balance = balance + 1, updated_at = now() AT TIME ZONE 'utc'")
                connection.execute("UPDATE account_premium_features SET balance = balance + 1")
                connection.commit()
                rounds += 1

    mover = threading.Thread(target=move)
    mover.start()
    try:
        loads = [place.load("accounts", "account_premium_features") for _ in range(3)]
    finally:
        stop.set()
        mover.join()
    assert rounds > 10
    for done in loads:
        with connect(place.settings.lakehouse, at=done.load.id) as lake:
            balances = lake.execute(
                "SELECT DISTINCT balance FROM raw_datavision.accounts UNION "
                "SELECT DISTINCT balance FROM raw_datavision.account_premium_features"
            ).fetchall()
        assert len(balances) == 1


def test_parallel_readers_of_one_table_share_the_snapshot(place: Place) -> None:
    from ingesta.source import Source

    place.change(
        "CREATE TABLE ledger AS SELECT i AS id, 0 AS value, repeat('x', 500) AS filler FROM generate_series(1, 40000) i"
    )
    with connect(place.settings.lakehouse) as connection:
        connection.execute("SET threads = 4; SET pg_pages_per_task = 20")
        source = Source(connection, place.settings.source, "public")
        with source.snapshot():
            query = "SELECT count(*), sum(value) FROM source.public.ledger"
            before = connection.execute(query).fetchall()
            place.change(
                "UPDATE ledger SET value = 1", "INSERT INTO ledger SELECT i, 1, '' FROM generate_series(1, 999) i"
            )
            assert connection.execute(query).fetchall() == before
        assert connection.execute(query).fetchall() != before


def test_the_gate_compares_with_the_loaded_moment_not_with_the_present(place: Place) -> None:
    place.load("premium_features")
    place.change("DELETE FROM account_premium_features", "DELETE FROM premium_features WHERE feature_id = 8")
    with connect(place.settings.lakehouse, read_only=True) as connection:
        gate = Gate(connection, place.settings.ingesta)
        seen = {"premium_features": SourceKeys("(SELECT unnest(range(1, 9)) AS feature_id)", 8)}
        findings = gate.check(seen, [TABLES["premium_features"]])
    assert {finding.outcome for finding in findings} == {"ok"}


@pytest.mark.parametrize("table", ["accounts", "contents"])
def test_the_manifest_names_the_snapshot(place: Place, table: str) -> None:
    report = place.load(table)
    text = (place.landing / report.load.id / "manifest.json").read_text()
    assert '"snapshot": "' in text
    assert "password" not in text
