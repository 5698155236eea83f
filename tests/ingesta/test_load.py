import json
import stat
from datetime import UTC, datetime
from typing import Any

import pytest

from datavision.local import source
from datavision_lakehouse import connect
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


def test_a_load_without_change_touches_no_row(loaded: Place) -> None:
    snapshots = loaded.sql("SELECT max(snapshot_id) FROM lake.snapshots()")[0][0]
    again = loaded.load()
    assert again.as_json()["rows"] == 0
    changes = loaded.sql(f"SELECT changes FROM lake.snapshots() WHERE snapshot_id > {snapshots}")
    tables = dict(loaded.sql("SELECT table_name, table_id FROM ducklake_table_info('lake')"))
    assert [{key: [int(i) for i in ids] for key, ids in change[0].items()} for change in changes] == [
        {"inlined_insert": [tables["_cargas"]]}
    ]


def test_loads_follow_a_business_that_moves_on(loaded: Place) -> None:
    for _ in range(3):
        source.advance(loaded.source_url, 1)
        report = loaded.load()
        assert loaded.differences() == {}
        assert all(done.inserted for done in report.merged if done.table == "contents")
    assert {done.mode for done in report.merged} == {"compare"}


def test_only_what_changed_lately_is_read_from_a_table_with_a_cursor(loaded: Place) -> None:
    source.advance(loaded.source_url, 1)
    landed = {extract.table.name: extract for extract in loaded.load().extracts}
    contents = landed["contents"]
    assert contents.reading == "changes"
    assert contents.files[0].rows < contents.source_rows / 4
    assert landed["subscription_payments"].reading == "whole"
    assert landed["subscriptions"].reading == "whole", "three rows are compared at once"


def test_a_row_that_ties_with_the_newest_one_is_loaded(loaded: Place) -> None:
    loaded.change(
        "INSERT INTO contents SELECT 900001, account_id, 'empate', NULL, NULL, created_at, updated_at "
        "FROM contents ORDER BY updated_at DESC LIMIT 1"
    )
    loaded.load()
    assert loaded.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 900001") == [("empate",)]
    assert loaded.differences() == {}


@pytest.mark.parametrize("days", [2, 400], ids=["within the lag window", "long before it"])
def test_a_row_that_arrives_late_is_loaded(loaded: Place, days: int) -> None:
    loaded.change(
        "INSERT INTO contents SELECT 900001, account_id, 'tarde', NULL, NULL, t, t FROM (SELECT account_id, "
        f"updated_at - interval '{days} days' AS t FROM contents ORDER BY updated_at DESC LIMIT 1) x"
    )
    report = loaded.load()
    assert loaded.sql("SELECT title FROM raw_datavision.contents WHERE content_id = 900001") == [("tarde",)]
    assert loaded.differences() == {}
    files = {file.name for extract in report.extracts for file in extract.files}
    assert ("contents.late.parquet" in files) == (days == 400)


def test_a_row_whose_time_was_moved_back_is_loaded(loaded: Place) -> None:
    loaded.change(
        "UPDATE contents SET title = 'movido', updated_at = created_at - interval '300 days' "
        "WHERE content_id = (SELECT max(content_id) FROM contents)"
    )
    loaded.load()
    assert loaded.differences() == {}


def test_rows_deleted_at_the_source_are_deleted(loaded: Place) -> None:
    loaded.change(
        "DELETE FROM content_attributes WHERE content_id IN (SELECT content_id FROM contents ORDER BY 1 LIMIT 7)",
        "DELETE FROM contents WHERE content_id IN (SELECT content_id FROM contents ORDER BY 1 LIMIT 7)",
    )
    report = loaded.load()
    deleted = {done.table: done.deleted for done in report.merged}
    assert deleted["contents"] == 7
    assert deleted["content_attributes"] > 0
    assert loaded.differences() == {}


def test_a_table_emptied_at_the_source_is_emptied(loaded: Place) -> None:
    loaded.change("TRUNCATE account_premium_features", "TRUNCATE content_attributes")
    loaded.load()
    assert loaded.differences() == {}
    assert loaded.sql("SELECT count(*) FROM raw_datavision.content_attributes") == [(0,)]


def test_payments_are_corrected_and_deleted_though_they_have_no_time_of_change(loaded: Place) -> None:
    loaded.change(
        "UPDATE subscription_payments SET amount = amount + 0.01 WHERE payment_id = 1",
        "DELETE FROM subscription_payments WHERE payment_id = 2",
    )
    report = loaded.load()
    (payments,) = [done for done in report.merged if done.table == "subscription_payments"]
    assert (payments.mode, payments.inserted, payments.updated, payments.deleted) == ("compare", 0, 1, 1)
    assert loaded.differences() == {}


def test_an_attribute_changed_alone_is_loaded_alone(loaded: Place) -> None:
    loaded.change(
        "UPDATE content_attributes SET decimal_value = 99.95, updated_at = now() AT TIME ZONE 'utc' "
        "WHERE (content_id, attribute_name) = "
        "(SELECT content_id, attribute_name FROM content_attributes WHERE attribute_name = 'Duración' LIMIT 1)"
    )
    report = loaded.load()
    assert {done.table for done in report.merged if done.updated} == {"content_attributes"}
    assert loaded.differences() == {}


def test_a_table_that_changed_almost_everywhere_is_written_anew(loaded: Place) -> None:
    loaded.change("UPDATE subscription_payments SET amount = amount * 2")
    report = loaded.load()
    (payments,) = [done for done in report.merged if done.table == "subscription_payments"]
    assert payments.mode == "replace"
    assert payments.updated == payments.total
    assert loaded.differences() == {}


def test_full_refresh_finds_what_no_cursor_shows(loaded: Place) -> None:
    loaded.change("UPDATE contents SET title = 'sin rastro' WHERE created_at < now() - interval '300 days'")
    loaded.load()
    assert "contents" in loaded.differences()
    loaded.load(full_refresh=True)
    assert loaded.differences() == {}


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
        (report.load.id, "accounts", "new", total, 0, 0, total, total)
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
