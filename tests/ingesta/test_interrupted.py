import random
import subprocess
import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from datavision.local import source
from datavision_lakehouse import connect
from ingesta.lock import load_lock
from ingesta.tables import TABLES

Place = Any


def _rows(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    with connect(place.settings.lakehouse, read_only=True) as lake:
        return {
            name: lake.execute(f"SELECT COLUMNS(c -> c[1] != '_') FROM raw_datavision.{name} ORDER BY ALL").fetchall()
            for name in TABLES
        }


def _seconds_of_a_load(place: Place) -> float:
    started = time.monotonic()
    assert place.command("--env", "local").returncode == 0
    return time.monotonic() - started


@pytest.mark.parametrize("first", [pytest.param(True, marks=pytest.mark.slow), False], ids=["first load", "later load"])
def test_a_load_killed_at_any_moment_and_run_again_ends_like_an_undisturbed_one(place: Place, first: bool) -> None:
    if not first:
        usual = _seconds_of_a_load(place)
        source.advance(place.source_url, 1)
    else:
        usual = 4.0
    chance = random.Random(5)
    for _ in range(3):
        before = place.sql("SELECT max(snapshot_id) FROM lake.snapshots()") if not first else None
        child = subprocess.Popen(
            place.arguments("--env", "local"), env=place.child_environment(), stderr=subprocess.DEVNULL
        )
        try:
            child.wait(chance.uniform(0.3, usual))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if before is not None and child.returncode != 0:
            after = place.sql("SELECT max(snapshot_id) FROM lake.snapshots()")
            # All of a load or nothing of it: killed just after its commit it is there as a whole.
            assert after[0][0] - before[0][0] in (0, 1)
    report = place.load()
    assert place.differences() == {}
    assert [f.name for f in place.landing.iterdir() if not (f / "manifest.json").exists()] == []
    recorded = place.sql(f"SELECT count(*) FROM raw_datavision._cargas WHERE id_carga = '{report.load.id}'")
    assert recorded == [(len(TABLES),)]
    undisturbed = _rows(place)
    place.load(full_refresh=True)
    assert _rows(place) == undisturbed


@pytest.mark.parametrize("file", ["contents.parquet", "manifest.json"], ids=["while landing", "while merging"])
def test_a_catalog_that_dies_in_mid_load_is_one_sentence_and_worth_a_retry(place: Place, file: str) -> None:
    child = subprocess.Popen(
        place.arguments("--env", "local"), env=place.child_environment(), stderr=subprocess.PIPE, text=True
    )
    while not list(place.landing.glob(f"*/{file}")):
        assert child.poll() is None
        time.sleep(0.01)
    # Until it is gone: a merge tries again when its connection is lost before the first change.
    with psycopg.connect(place.source_url, autocommit=True) as connection:
        while child.poll() is None:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [urlsplit(place.catalog_url).path.lstrip("/")],
            )
            time.sleep(0.01)
    said = child.communicate(timeout=60)[1].splitlines()
    assert child.returncode == 1, said
    assert "catalog" in said[-1]
    assert "run again" in said[-1]
    assert not any("terminate called" in line or "Traceback" in line for line in said)
    place.load()
    assert place.differences() == {}


def test_a_failure_in_the_last_table_leaves_the_first_ones_as_they_were(loaded: Place) -> None:
    before = loaded.sql("SELECT max(snapshot_id) FROM lake.snapshots()")
    source.advance(loaded.source_url, 1)
    loaded.change("ALTER TABLE account_premium_features ALTER amount_paid TYPE text")
    assert loaded.command("--env", "local").returncode == 2
    assert loaded.sql("SELECT max(snapshot_id) FROM lake.snapshots()") == before


def test_landing_files_of_a_dead_load_are_removed_by_the_next_one(place: Place) -> None:
    dead = place.landing / "20200101T000000Z-dead00"
    dead.mkdir(parents=True)
    (dead / "accounts.parquet").write_bytes(b"half")
    finished = place.load("accounts")
    assert [folder.name for folder in place.landing.iterdir()] == [finished.load.id]


@pytest.mark.slow
def test_two_loads_at_once_take_turns(loaded: Place) -> None:
    source.advance(loaded.source_url, 1)
    children = [
        subprocess.Popen(
            loaded.arguments("--env", "local"), env=loaded.child_environment(), stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], said
    assert any("waiting for another load" in text for text in said)
    assert loaded.differences() == {}
    for name, table in TABLES.items():
        key = ", ".join(table.key)
        assert loaded.sql(f"SELECT {key} FROM raw_datavision.{name} GROUP BY ALL HAVING count(*) > 1") == []


def test_a_load_that_waits_too_long_for_another_one_says_so(place: Place) -> None:
    with load_lock(place.settings.lakehouse, 0, lambda _: None):
        done = place.command("--env", "local", DATAVISION_INGESTA__LOCK_SECONDS="0.5")
    assert done.returncode == 1
    assert "Another load of this lakehouse is still running" in done.stderr


def test_writers_of_other_tables_do_not_disturb_a_load(loaded: Place) -> None:
    source.advance(loaded.source_url, 1)
    child = subprocess.Popen(
        loaded.arguments("--env", "local"), env=loaded.child_environment(), stderr=subprocess.PIPE, text=True
    )
    with connect(loaded.settings.lakehouse) as other:
        other.execute("CREATE SCHEMA marts; CREATE TABLE marts.busy (n INTEGER)")
        number = 0
        while child.poll() is None:
            other.execute(f"INSERT INTO marts.busy VALUES ({number})")
            number += 1
            time.sleep(0.05)
    said = child.communicate()[1]
    assert child.returncode == 0, said
    assert loaded.differences() == {}
    assert loaded.sql("SELECT count(*) FROM marts.busy") == [(number,)]
