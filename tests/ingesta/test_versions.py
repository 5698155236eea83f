"""Row versions: every row that was written since the last load is read, and no other."""

import os
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from datavision.local import source
from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import connect
from ingesta.extract import Extract
from ingesta.load import LoadReport
from ingesta.tables import TABLES
from ingesta.versions import Mark, versions_query, written_since

Place = Any


def extract(report: LoadReport, name: str = "contents") -> Extract:
    return next(done for done in report.extracts if done.table.name == name)


def landed(report: LoadReport, name: str = "contents") -> dict[str, int]:
    done = extract(report, name)
    return {file.name: file.rows for file in [*done.files, *([done.keys] if done.keys else [])]}


def test_only_the_rows_written_since_the_last_load_are_read(loaded: Place) -> None:
    loaded.change(
        "UPDATE contents SET title = 'sin rastro' WHERE content_id <= 3",
        "UPDATE contents SET title = 'tarde', updated_at = created_at - interval '300 days' WHERE content_id = 4",
        "INSERT INTO contents SELECT 900001, account_id, 'nueva', NULL, NULL, created_at, updated_at "
        "FROM contents WHERE content_id = 5",
        "UPDATE subscription_payments SET amount = amount + 1 WHERE payment_id = 1",
    )
    report = loaded.load()
    assert loaded.differences() == {}
    assert landed(report) == {"contents.parquet": 5}
    assert landed(report, "subscription_payments") == {"subscription_payments.parquet": 1}
    assert landed(report, "accounts") == {"accounts.parquet": 0}
    assert [(done.inserted, done.updated) for done in report.merged if done.table == "contents"] == [(1, 4)]


def test_a_row_written_as_it_was_is_read_and_keeps_its_load(loaded: Place) -> None:
    loaded.change("UPDATE contents SET title = title WHERE content_id = 1")
    report = loaded.load()
    assert landed(report) == {"contents.parquet": 1}
    assert report.as_json()["rows"] == 0


def test_keys_are_read_only_when_rows_are_gone(loaded: Place) -> None:
    loaded.change("DELETE FROM subscription_payments WHERE payment_id = 1")
    report = loaded.load()
    rows = extract(report, "subscription_payments").source_rows
    assert landed(report, "subscription_payments") == {
        "subscription_payments.parquet": 0,
        "subscription_payments.keys.parquet": rows,
    }
    assert all(done.keys is None for done in report.extracts if done.table.name != "subscription_payments")
    assert loaded.differences() == {}


def test_a_row_that_gets_another_key_leaves_its_old_one(loaded: Place) -> None:
    loaded.change("UPDATE subscription_payments SET payment_id = 900001 WHERE payment_id = 1")
    assert [(done.inserted, done.deleted) for done in loaded.load().merged if done.inserted] == [(1, 1)]
    assert loaded.differences() == {}


def test_as_many_new_rows_as_deleted_ones_do_not_hide_each_other(loaded: Place) -> None:
    loaded.change(
        "INSERT INTO subscription_payments SELECT 900001, account_subscription_id, payment_date, amount, "
        "payment_method, billing_cycle FROM subscription_payments WHERE payment_id = 1",
        "DELETE FROM subscription_payments WHERE payment_id = 1",
    )
    loaded.load()
    assert loaded.differences() == {}


@pytest.mark.parametrize("savepoint", [False, True])
def test_what_was_not_committed_during_a_load_is_read_by_the_next_one(loaded: Place, savepoint: bool) -> None:
    with psycopg.connect(loaded.source_url) as slow:
        slow.execute("UPDATE contents SET title = 'lenta' WHERE content_id = 1")
        if savepoint:
            slow.execute("SAVEPOINT here")
        slow.execute("UPDATE contents SET title = 'lenta' WHERE content_id = 2")
        for number in range(3):
            loaded.change(f"UPDATE contents SET title = 'rápida {number}' WHERE content_id = 3")
            loaded.load()
        slow.commit()
    assert extract(loaded.load()).reading == "changes"
    assert loaded.differences() == {}


def test_when_most_rows_were_written_the_table_is_read_whole(loaded: Place) -> None:
    loaded.change("UPDATE contents SET title = title || '.' WHERE content_id % 4 > 0")
    assert extract(loaded.load()).reading == "whole"
    assert loaded.differences() == {}


def test_the_first_load_without_row_versions_and_the_first_one_with_them_miss_nothing(loaded: Place) -> None:
    for row_versions in ("false", "true"):
        loaded.change(f"UPDATE contents SET title = 'con {row_versions}' WHERE content_id = 1")
        loaded.more = {"DATAVISION_INGESTA__ROW_VERSIONS": row_versions}
        loaded.load()
        assert loaded.differences() == {}
    assert extract(loaded.load()).reading == "changes"


def test_rows_that_others_took_from_the_lakehouse_come_back(loaded: Place) -> None:
    with connect(loaded.settings.lakehouse) as lake:
        lake.execute("DELETE FROM raw_datavision.contents WHERE content_id = 1")
    loaded.load()
    assert loaded.differences() == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "",
            "ALTER TABLE contents DROP updated_at; ALTER TABLE contents ADD updated_at timestamp DEFAULT '2020-01-01'",
            id="a column of the same name",
        ),
        pytest.param(
            "CREATE TYPE kind AS ENUM ('a', 'b'); ALTER TABLE contents ALTER content_type TYPE kind USING 'a'",
            "ALTER TYPE kind RENAME VALUE 'a' TO 'c'",
            id="a label of an enumeration",
        ),
        pytest.param(
            "CREATE TABLE other (LIKE contents INCLUDING ALL); INSERT INTO other SELECT * FROM contents; "
            "UPDATE other SET title = 'otra' WHERE content_id = 1",
            "ALTER TABLE contents RENAME TO old; ALTER TABLE other RENAME TO contents",
            id="another table",
        ),
        pytest.param("", "VACUUM FULL contents", id="another file"),
    ],
)
def test_values_that_change_without_their_rows_are_found(loaded: Place, before: str, after: str) -> None:
    if before:
        loaded.change(before)
    loaded.load("contents")
    loaded.change(after)
    assert extract(loaded.load("contents")).reading == "whole"
    assert loaded.differences(["contents"]) == {}
    assert extract(loaded.load("contents")).reading == "changes"


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(
            "ALTER TABLE contents RENAME TO kept; CREATE VIEW contents AS SELECT * FROM kept", id="a view of it"
        ),
        pytest.param(
            "ALTER TABLE contents RENAME TO kept; CREATE TABLE contents (LIKE kept, PRIMARY KEY (content_id)) "
            "PARTITION BY RANGE (content_id); CREATE TABLE part PARTITION OF contents DEFAULT; "
            "INSERT INTO contents SELECT * FROM kept",
            id="a partitioned table",
        ),
        pytest.param("CREATE TABLE child () INHERITS (contents)", id="a table with a child"),
        pytest.param("ALTER TABLE contents DROP CONSTRAINT contents_pkey CASCADE", id="no primary key"),
        pytest.param(
            "ALTER TABLE contents DROP CONSTRAINT contents_pkey CASCADE, ADD PRIMARY KEY (content_id, account_id)",
            id="another primary key",
        ),
        pytest.param("ALTER TABLE contents ADD v text GENERATED ALWAYS AS (title || '!')", id="a virtual column"),
        pytest.param("ALTER TABLE contents ADD v interval", id="a type that a setting writes"),
        pytest.param("CREATE DOMAIN d AS text; ALTER TABLE contents ADD v d[]", id="a type of its own"),
    ],
)
def test_where_row_versions_do_not_tell_they_are_not_asked(loaded: Place, statements: str) -> None:
    loaded.change(*statements.split("; "))
    report = loaded.load("contents", "accounts")
    assert (extract(report).mark is None, extract(report, "accounts").mark is None) == (True, False)
    loaded.change("UPDATE contents SET title = 'sin rastro' WHERE content_id = 1")
    loaded.load("contents")
    assert loaded.differences(["contents"]) == {}


def test_a_table_under_row_security_is_not_asked_for_its_row_versions(place: Place) -> None:
    query = versions_query("'public'")
    role = f"reader_{os.getpid()}"
    with psycopg.connect(place.source_url) as connection:
        connection.execute(f"CREATE ROLE {role}; ALTER TABLE contents ENABLE ROW LEVEL SECURITY".encode())
        connection.execute(f"SET LOCAL ROLE {role}".encode())
        assert {row[0] for row in connection.execute(query.encode())} & set(TABLES) == set(TABLES) - {"contents"}
        connection.rollback()
        assert {row[0] for row in connection.execute(query.encode())} >= set(TABLES)


@pytest.mark.slow
def test_after_a_restart_or_a_crash_of_the_source_all_is_read_once(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("server")
    with EmbeddedPostgres(folder) as server:
        place.source_url = server.url("source")
        source.load(place.source_url, accounts=40, seed=5, until=date.today())
        assert [extract(place.load("contents")).reading for _ in range(2)] == ["whole", "changes"]
        with psycopg.connect(place.source_url) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
        _wait_for(place.source_url)
        assert [extract(place.load("contents")).reading for _ in range(2)] == ["whole", "changes"]
    with EmbeddedPostgres(folder) as server:
        place.source_url = server.url("source")
        assert [extract(place.load("contents")).reading for _ in range(2)] == ["whole", "changes"]
        assert place.differences(["contents"]) == {}


def _wait_for(url: str) -> None:
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize(
    ("later", "follows"),
    [
        (Mark("s", "t", "c", 7), True),
        (Mark("s", "t", "c", 6 + 2**30), True),
        (Mark("s", "t", "c", 7 + 2**30), False),
        (Mark("s", "t", "c", 6), False),
        (Mark("other", "t", "c", 7), False),
        (Mark("s", "other", "c", 7), False),
        (Mark("s", "t", "other", 7), False),
    ],
)
def test_a_mark_follows_one_of_the_same_table_not_too_long_before_it(later: Mark, follows: bool) -> None:
    assert later.follows(Mark("s", "t", "c", 7)) is follows
    assert Mark.parse(str(later)) == later


@pytest.mark.parametrize(("horizon", "text"), [(900, "'900'"), (2**32 + 900, "'900'"), (2**32 + 1, "'3'")])
def test_a_transaction_is_written_as_its_last_32_bits(horizon: int, text: str) -> None:
    assert text in written_since(Mark("s", "t", "c", horizon))
