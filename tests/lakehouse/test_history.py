import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from datavision_lakehouse import LakehouseSettings, UnknownLoad, connect
from datavision_lakehouse.history import Snapshot, find_snapshot, mark_load, snapshots

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HISTORY = [
    Snapshot(number, NOON + timedelta(hours=number), load)
    for number, load in enumerate([None, "carga-a", None, None, "carga-b", None])
]


@pytest.mark.parametrize(
    ("at", "number"),
    [
        (3, 3),
        ("3", 3),
        ("carga-a", 3),
        ("carga-b", 5),
        ("2026-11-01T14:30:00+00:00", 2),
        ("2026-11-01T11:30:00-03:00", 2),
        ("2026-11-01 14:30", 2),
        ("2026-11-01T14:00:00", 2),
        ("2030-01-01", 5),
    ],
)
def test_a_state_is_named_by_snapshot_moment_or_load(at: str | int, number: int) -> None:
    assert find_snapshot(HISTORY, at) == number


@pytest.mark.parametrize("at", ["carga-c", 6, "2026-11-01T11:59:59", "", "-1"])
def test_an_unknown_state_lists_what_is_valid(at: str | int) -> None:
    with pytest.raises(UnknownLoad, match=r"snapshot from 0 to 5.*2026-11-01T12:00:00.*carga-b, carga-a"):
        find_snapshot(HISTORY, at)


def test_an_empty_history_says_what_to_run() -> None:
    with pytest.raises(UnknownLoad, match="run the daily pipeline"):
        find_snapshot([], 1)


def test_a_load_shows_what_was_derived_from_it_until_the_next_load(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        for number in (1, 2):
            lake.execute("BEGIN")
            lake.execute(f"CREATE OR REPLACE TABLE raw AS SELECT {number} AS n")
            mark_load(lake, f"carga-{number}")
            lake.execute("COMMIT")
            lake.execute("CREATE OR REPLACE TABLE mart AS SELECT 10 * n AS n FROM raw")
        assert [snapshot.load_id for snapshot in snapshots(lake)] == [None, "carga-1", None, "carga-2", None]
    for load, expected in (("carga-1", 10), ("carga-2", 20)):
        with connect(settings, at=load) as lake:
            assert lake.execute("SELECT n FROM mart").fetchall() == [(expected,)]


def test_an_earlier_state_is_read_only(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT 1 AS n")
    with connect(settings, at=1) as lake, pytest.raises(Exception, match="read-only"):
        lake.execute("DELETE FROM t")


def test_a_load_id_with_a_quote_is_just_a_name(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("BEGIN")
        lake.execute("CREATE TABLE t AS SELECT 1 AS n")
        mark_load(lake, "o'brien")
        lake.execute("COMMIT")
    with connect(settings, at="o'brien") as lake:
        assert lake.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_opening_an_unknown_load_leaves_no_connection_behind(settings: LakehouseSettings) -> None:
    connect(settings).close()
    with psycopg.connect(settings.catalog_url.get_secret_value(), autocommit=True) as catalog:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with pytest.raises(UnknownLoad) as raised:
            connect(settings, at="carga-x")
        # PostgreSQL's side of a closed connection ends a moment later.
        for _ in range(50):
            left = catalog.execute(others).fetchone()
            if left == (0,):
                break
            time.sleep(0.1)
        assert left == (0,), f"the traceback of {raised.value} may not keep it open"
