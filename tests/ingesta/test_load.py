import json
import stat
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datavision.local import source
from datavision_lakehouse import connect
from ingesta.extract import hash_due
from ingesta.tables import TABLES

Place = Any


def test_the_first_load_makes_all_tables_equal_to_the_source(place: Place) -> None:
    report = place.load()
    assert place.differences() == {}
    assert {done.mode for done in report.merged} == {"new"}
    assert {done.table: done.total for done in report.merged} == source.counts(place.source_url)


def test_every_row_says_when_and_by_which_load_it_came(place: Place) -> None:
    report = place.load("accounts")
    rows = place.sql("SELECT DISTINCT _cargado_en, _id_carga FROM raw_datavision.accounts")
    assert rows == [(report.load.at, report.load.id)]


def test_a_load_without_change_touches_no_row(either: Place) -> None:
    snapshots = either.sql("SELECT max(snapshot_id) FROM lake.snapshots()")[0][0]
    again = either.load()
    assert again.as_json()["rows"] == 0
    changes = either.sql(f"SELECT changes FROM lake.snapshots() WHERE snapshot_id > {snapshots}")
    tables = dict(either.sql("SELECT table_name, table_id FROM ducklake_table_info('lake')"))
    assert [{key: [int(i) for i in ids] for key, ids in change[0].items()} for change in changes] == [
        {"inlined_insert": [tables["_cargas"]]}
    ]


def test_loads_follow_a_business_that_moves_on(either: Place) -> None:
    for _ in range(3):
        source.advance(either.source_url, 1)
        report = either.load()
        assert either.differences() == {}
        assert all(done.inserted for done in report.merged if done.table == "contents")
    assert {done.mode for done in report.merged} == {"compare"}


def test_only_what_changed_lately_is_read_from_a_table_with_a_cursor(unversioned: Place) -> None:
    source.advance(unversioned.source_url, 1)
    landed = {extract.table.name: extract for extract in unversioned.load().extracts}
    contents = landed["contents"]
    assert contents.reading == "changes"
    assert contents.files[0].rows < contents.source_rows / 4
    assert landed["subscription_payments"].reading == "whole"
    assert landed["subscriptions"].reading == "whole", "three rows are compared at once"


def test_a_row_that_ties_with_the_newest_one_is_loaded(either: Place) -> None:
    either.change(
        "INSERT INTO contents SELECT 900001, account_id, 'empate', NULL, NULL, created_at, updated_at "
        "FROM contents ORDER BY updated_at DESC LIMIT 1"
    )
    either.load()
    assert either.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 900001") == [("empate",)]
    assert either.differences() == {}


@pytest.mark.parametrize("days", [2, 400], ids=["within the lag window", "long before it"])
def test_a_row_that_arrives_late_is_loaded(unversioned: Place, days: int) -> None:
    unversioned.change(
        "INSERT INTO contents SELECT 900001, account_id, 'tarde', NULL, NULL, t, t FROM (SELECT account_id, "
        f"updated_at - interval '{days} days' AS t FROM contents ORDER BY updated_at DESC LIMIT 1) x"
    )
    report = unversioned.load()
    assert unversioned.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 900001") == [("tarde",)]
    assert unversioned.differences() == {}
    files = {file.name for extract in report.extracts for file in extract.files}
    assert ("contents.late.parquet" in files) == (days == 400)


def test_a_row_whose_time_was_moved_back_is_loaded(either: Place) -> None:
    either.change(
        "UPDATE contents SET title = 'movido', updated_at = created_at - interval '300 days' "
        "WHERE content_id = (SELECT max(content_id) FROM contents)"
    )
    either.load()
    assert either.differences() == {}


def test_rows_deleted_at_the_source_are_deleted(either: Place) -> None:
    either.change(
        "DELETE FROM content_attributes WHERE content_id IN (SELECT content_id FROM contents ORDER BY 1 LIMIT 7)",
        "DELETE FROM contents WHERE content_id IN (SELECT content_id FROM contents ORDER BY 1 LIMIT 7)",
    )
    report = either.load()
    deleted = {done.table: done.deleted for done in report.merged}
    assert deleted["contents"] == 7
    assert deleted["content_attributes"] > 0
    assert either.differences() == {}


def test_a_table_emptied_at_the_source_is_emptied(either: Place) -> None:
    either.change("TRUNCATE account_premium_features", "TRUNCATE content_attributes")
    either.load()
    assert either.differences() == {}
    assert either.sql("SELECT count(*) FROM raw_datavision.content_attributes") == [(0,)]


def test_payments_are_corrected_and_deleted_though_they_have_no_time_of_change(either: Place) -> None:
    either.change(
        "UPDATE subscription_payments SET amount = amount + 0.01 WHERE payment_id = 1",
        "DELETE FROM subscription_payments WHERE payment_id = 2",
    )
    report = either.load()
    (payments,) = [done for done in report.merged if done.table == "subscription_payments"]
    assert (payments.mode, payments.inserted, payments.updated, payments.deleted) == ("compare", 0, 1, 1)
    assert either.differences() == {}


def test_an_attribute_changed_alone_is_loaded_alone(either: Place) -> None:
    either.change(
        "UPDATE content_attributes SET decimal_value = 99.95, updated_at = now() AT TIME ZONE 'utc' "
        "WHERE (content_id, attribute_name) = "
        "(SELECT content_id, attribute_name FROM content_attributes WHERE attribute_name = 'Duración' LIMIT 1)"
    )
    report = either.load()
    assert {done.table for done in report.merged if done.updated} == {"content_attributes"}
    assert either.differences() == {}


def test_a_table_that_changed_almost_everywhere_is_written_anew(either: Place) -> None:
    either.change("UPDATE subscription_payments SET amount = amount * 2")
    report = either.load()
    (payments,) = [done for done in report.merged if done.table == "subscription_payments"]
    assert payments.mode == "replace"
    assert payments.updated == payments.total
    assert either.differences() == {}


def _change_without_trace(place: Place, title: str) -> None:
    place.change(f"UPDATE contents SET title = '{title}' WHERE updated_at < now() - interval '300 days'")


def _contents(report: Any) -> Any:
    return next(extract for extract in report.extracts if extract.table.name == "contents")


def test_a_row_that_changed_without_its_cursor_is_loaded_and_no_other_row_is_read(unversioned: Place) -> None:
    _change_without_trace(unversioned, "sin rastro")
    changed = unversioned.ask_source("SELECT 1 FROM contents WHERE title = 'sin rastro'")
    report = unversioned.load()
    assert unversioned.differences() == {}
    assert _contents(report).reading == "changes"
    assert {file.name: file.rows for file in _contents(report).files}["contents.late.parquet"] == len(changed) > 0
    assert unversioned.load().as_json()["rows"] == 0


@pytest.mark.slow
def test_without_hashes_only_a_full_refresh_finds_what_no_cursor_shows(unversioned: Place) -> None:
    unversioned.more |= {"DATAVISION_INGESTA__ROW_HASH": "never"}
    _change_without_trace(unversioned, "sin rastro")
    unversioned.load()
    assert "contents" in unversioned.differences()
    unversioned.load(full_refresh=True)
    assert unversioned.differences() == {}
    del unversioned.more["DATAVISION_INGESTA__ROW_HASH"]
    _change_without_trace(unversioned, "otra vez")
    unversioned.load()
    assert unversioned.differences() == {}, "hashes from before they were switched off do no harm"


@pytest.mark.slow
def test_hashes_on_a_schedule_find_it_the_day_after(unversioned: Place) -> None:
    unversioned.more |= {"DATAVISION_INGESTA__ROW_HASH": "daily"}
    _change_without_trace(unversioned, "sin rastro")
    assert not _contents(unversioned.load()).compared
    assert "contents" in unversioned.differences()
    with connect(unversioned.settings.lakehouse) as connection:
        connection.execute("UPDATE raw_datavision._cargas SET cargado_en = cargado_en - INTERVAL 1 DAY")
    assert _contents(unversioned.load()).compared
    assert unversioned.differences() == {}


@pytest.mark.parametrize(
    ("schedule", "hours", "due"),
    [
        ("never", 1000, False),
        ("always", 0, True),
        ("daily", 11, False),
        ("daily", 13, True),
        ("weekly", 6 * 24 + 11, False),
        ("weekly", 6 * 24 + 13, True),
    ],
)
def test_a_schedule_counts_days_not_hours(schedule: Any, hours: int, due: bool) -> None:
    last = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert hash_due(schedule, last, last + timedelta(hours=hours)) is due
    assert hash_due(schedule, None, last) is (schedule != "never")


@pytest.mark.slow
def test_a_lakehouse_of_version_0_1_gets_its_hashes_and_keeps_its_load_ids(unversioned: Place) -> None:
    with connect(unversioned.settings.lakehouse) as connection:
        for table in ("accounts", "accounts_subscription", "contents", "content_attributes"):
            connection.execute(f"ALTER TABLE raw_datavision.{table} DROP COLUMN _huella")
        connection.execute("ALTER TABLE raw_datavision._cargas DROP COLUMN huella")
    before = unversioned.sql("SELECT DISTINCT _id_carga FROM raw_datavision.contents")
    unversioned.change("UPDATE contents SET title = 'sin rastro' WHERE content_id = 1")
    report = unversioned.load()
    (done,) = [done for done in report.merged if done.table == "contents"]
    assert (done.inserted, done.updated, done.deleted) == (0, 1, 0)
    assert unversioned.differences() == {}
    assert unversioned.sql("SELECT DISTINCT _id_carga FROM raw_datavision.contents WHERE content_id <> 1") == before
    assert unversioned.sql("SELECT count(*) FROM raw_datavision.contents WHERE _huella IS NULL") == [(0,)]
    assert unversioned.load().as_json()["rows"] == 0


@pytest.mark.parametrize(
    "moment",
    [
        "200000-01-01",
        pytest.param("9999-12-31", marks=pytest.mark.slow),
        pytest.param("0044-03-15 BC", marks=pytest.mark.slow),
    ],
)
def test_a_cursor_far_from_now_is_loaded_and_read_again_when_it_is_corrected(either: Place, moment: str) -> None:
    either.change(f"UPDATE contents SET title = 'lejos', updated_at = '{moment}' WHERE content_id = 1")
    for _ in range(2):
        report = either.load()
        assert either.differences() == {}
        assert sum(file.rows for file in _contents(report).files) < _contents(report).source_rows / 4
    either.change("UPDATE contents SET title = 'corregida', updated_at = created_at WHERE content_id = 1")
    either.load()
    assert either.differences() == {}
    assert either.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 1") == [("corregida",)]


@pytest.mark.parametrize("value", ["infinity", pytest.param("-infinity", marks=pytest.mark.slow)])
def test_a_cursor_without_end_is_refused_by_name_or_loaded_as_null(either: Place, value: str) -> None:
    either.change(f"UPDATE contents SET updated_at = '{value}' WHERE content_id = 1")
    done = either.command("--env", "local")
    assert done.returncode == 3
    assert "Column 'updated_at' of table 'contents' holds 1 value(s) that a cursor" in done.stderr
    assert "content_id is 1." in done.stderr
    either.more |= {"DATAVISION_INGESTA__UNREPRESENTABLE": '{"contents.updated_at": "null"}'}
    either.load()
    assert either.sql("SELECT updated_at FROM raw_datavision.contents WHERE content_id = 1") == [(None,)]
    either.change("UPDATE contents SET title = 'otra' WHERE content_id = 1")
    either.load()
    assert either.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 1") == [("otra",)]


@pytest.mark.slow
def test_a_row_whose_cursor_is_null_is_read_whenever_it_changes(either: Place) -> None:
    either.change(
        "ALTER TABLE contents ALTER updated_at DROP NOT NULL",
        "UPDATE contents SET updated_at = NULL WHERE content_id = 1",
    )
    either.load()
    either.change("UPDATE contents SET title = 'sin fecha' WHERE content_id = 1")
    either.load()
    assert either.differences() == {}
    either.change("UPDATE contents SET updated_at = created_at WHERE content_id = 1")
    either.load()
    assert either.differences() == {}


@pytest.mark.parametrize("row_hash", ["always", "never"])
def test_a_cursor_that_becomes_null_and_a_row_that_comes_without_one_are_loaded(
    unversioned: Place, row_hash: str
) -> None:
    unversioned.more |= {"DATAVISION_INGESTA__ROW_HASH": row_hash}
    unversioned.change(
        "ALTER TABLE contents ALTER updated_at DROP NOT NULL",
        # Alone, and with another change; both rows are older than the lag window.
        "UPDATE contents SET updated_at = NULL WHERE content_id = 1",
        "UPDATE contents SET updated_at = NULL, title = 'sin fecha' WHERE content_id = 2",
        "INSERT INTO contents SELECT 900001, account_id, 'nueva', NULL, NULL, created_at, NULL "
        "FROM contents WHERE content_id = 3",
    )
    report = unversioned.load("contents")
    assert report.extracts[0].reading == "changes"
    assert (report.merged[0].inserted, report.merged[0].updated) == (1, 2)
    assert unversioned.differences() == {}
    unversioned.change("UPDATE contents SET title = 'otra vez' WHERE updated_at IS NULL")
    assert unversioned.load("contents").merged[0].updated == 3
    assert unversioned.differences() == {}
    assert unversioned.load("contents").as_json()["rows"] == 0


def test_a_table_whose_cursor_is_always_null_is_loaded_whole(unversioned: Place) -> None:
    unversioned.change("ALTER TABLE contents ALTER updated_at DROP NOT NULL", "UPDATE contents SET updated_at = NULL")
    unversioned.load()
    assert _contents(unversioned.load()).reading == "whole"
    assert unversioned.differences() == {}


def test_chosen_tables_leave_the_others_alone(place: Place) -> None:
    report = place.load("premium_features", "accounts")
    assert [done.table for done in report.merged] == ["accounts", "premium_features"]
    assert place.sql("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw_datavision'") == [(3,)]


def test_money_stays_decimal_and_times_stay_times(loaded: Place) -> None:
    kinds = dict(
        loaded.sql(
            "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() "
            "WHERE schema_name = 'raw_datavision'"
        )
    )
    assert kinds["subscription_payments.amount"] == "DECIMAL(12,2)"
    assert kinds["accounts.updated_at"] == "TIMESTAMP"
    assert kinds["accounts_subscription.start_date"] == "DATE"


def test_landing_files_are_sealed_by_a_manifest_and_read_only(place: Place) -> None:
    report = place.load()
    folder = place.landing / report.load.id
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["tables"]) == set(TABLES)
    listed = {file["name"]: file["bytes"] for table in manifest["tables"].values() for file in table["files"]}
    assert {file.name: file.stat().st_size for file in folder.glob("*.parquet")} == listed
    assert not any(stat.S_IMODE(file.stat().st_mode) & 0o222 for file in folder.iterdir())


def test_what_a_load_did_is_recorded_beside_the_tables(place: Place) -> None:
    report = place.load("accounts")
    total = len(place.ask_source("SELECT 1 FROM accounts"))
    assert place.sql("SELECT * EXCLUDE cargado_en FROM raw_datavision._cargas") == [
        (report.load.id, "accounts", "new", total, 0, 0, total, total, True, str(report.extracts[0].mark))
    ]


def test_an_earlier_load_stays_readable(place: Place) -> None:
    first = place.load("accounts")
    before = place.sql("SELECT count(*) FROM raw_datavision.accounts")
    source.advance(place.source_url, 2)
    place.load("accounts")
    with connect(place.settings.lakehouse, at=first.load.id) as connection:
        assert connection.execute("SELECT count(*) FROM raw_datavision.accounts").fetchall() == before
    assert place.sql("SELECT count(*) FROM raw_datavision.accounts") != before


def test_load_names_sort_by_time(place: Place) -> None:
    names = [place.load("premium_features").load.id for _ in range(2)]
    assert names == sorted(names)
    assert names[0].startswith(f"{datetime.now(UTC):%Y%m%d}")
