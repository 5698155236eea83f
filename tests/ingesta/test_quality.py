import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from datavision_lakehouse import ConfigurationError, connect
from datavision_runtime import exit_codes
from ingesta.load import validate_only
from ingesta.progress import Reporter
from ingesta.quality import Finding
from ingesta.tables import TABLES, select

Place = Any


def _faults(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.table, finding.check): finding for finding in findings if finding.outcome != "ok"}


def _validate(place: Place, *tables: str) -> list[Finding]:
    return validate_only(place.settings, select(tables), Reporter())


def _break_lakehouse(place: Place, statement: str) -> None:
    with connect(place.settings.lakehouse) as connection:
        connection.execute(statement)


def test_a_sound_load_passes_every_check(place: Place) -> None:
    findings = list(place.load(validate=True).findings)
    assert _faults(findings) == {}
    counted = {check: len([f for f in findings if f.check == check]) for check in {f.check for f in findings}}
    assert counted == {"row_count": 8, "duplicate_keys": 8, "orphans": 7, "freshness": 4}


def test_lost_rows_are_counted_and_some_are_named(loaded: Place) -> None:
    _break_lakehouse(loaded, "DELETE FROM raw_datavision.accounts WHERE account_id IN (3, 5)")
    finding = _faults(_validate(loaded, "accounts"))["accounts", "row_count"]
    assert (finding.outcome, finding.count) == ("error", 2)
    assert set(finding.sample) == {"3", "5"}
    assert "rows at the source" in finding.detail


def test_a_source_that_moved_on_shows_in_solo_validar(loaded: Place) -> None:
    loaded.change("INSERT INTO contents SELECT 900001, 1, 'x', 'x', 'x', now(), now()")
    assert _faults(_validate(loaded))["contents", "row_count"].sample == ("900001",)


def test_duplicate_keys_are_named_also_when_the_key_has_two_columns(loaded: Place) -> None:
    _break_lakehouse(
        loaded,
        "INSERT INTO raw_datavision.content_attributes "
        "SELECT * FROM raw_datavision.content_attributes ORDER BY ALL LIMIT 1",
    )
    finding = _faults(_validate(loaded, "content_attributes"))["content_attributes", "duplicate_keys"]
    assert finding.count == 1
    assert finding.sample[0].endswith((", Categoría", ", Duración"))


@pytest.mark.parametrize(
    ("table", "parent"),
    [
        ("contents", "accounts"),
        ("content_attributes", "contents"),
        ("accounts_subscription", "accounts"),
        ("accounts_subscription", "subscriptions"),
        ("subscription_payments", "accounts_subscription"),
        ("account_premium_features", "accounts"),
        ("account_premium_features", "premium_features"),
    ],
)
def test_every_relation_of_the_domain_is_checked(table: str, parent: str) -> None:
    assert parent in {foreign_key.references for foreign_key in TABLES[table].foreign_keys}


def test_orphans_are_counted_and_named_with_their_relation(loaded: Place) -> None:
    author = loaded.sql("SELECT max(account_id) FROM raw_datavision.contents")[0][0]
    orphans = loaded.sql(f"SELECT content_id FROM raw_datavision.contents WHERE account_id = {author} ORDER BY 1")
    _break_lakehouse(loaded, f"DELETE FROM raw_datavision.accounts WHERE account_id = {author}")
    finding = _faults(_validate(loaded, "contents"))["contents", "orphans"]
    assert finding.count == len(orphans) > 0
    assert finding.sample == tuple(str(row[0]) for row in orphans[:5])
    assert "account_id → accounts" in finding.detail


def test_a_parent_that_was_never_loaded_is_named(place: Place) -> None:
    place.load("contents")
    assert "accounts was never loaded" in _faults(_validate(place, "contents"))["contents", "orphans"].detail


def test_a_table_that_was_never_loaded_is_named(place: Place) -> None:
    place.load("accounts")
    assert "never loaded" in _faults(_validate(place))["contents", "row_count"].detail


def test_an_old_newest_row_is_stale_and_one_of_yesterday_is_not(loaded: Place) -> None:
    assert ("accounts", "freshness") not in _faults(_validate(loaded))
    loaded.change("UPDATE accounts SET updated_at = updated_at - interval '60 hours'")
    loaded.load(full_refresh=True)
    finding = _faults(_validate(loaded))["accounts", "freshness"]
    assert 60 <= finding.count <= 60 + 48  # before, it was fresh: at most 48 hours old
    assert "hours old" in finding.detail


def test_freshness_says_when_the_newest_row_changed_also_when_it_is_fresh(loaded: Place) -> None:
    findings = [finding.as_json() for finding in _validate(loaded)]
    newest = {item["table"]: item["newest"] for item in findings if item["check"] == "freshness"}
    (changed,) = loaded.sql("SELECT max(updated_at) FROM raw_datavision.accounts")
    assert newest["accounts"] == changed[0].replace(tzinfo=UTC).isoformat(timespec="seconds")
    assert all("newest" not in item for item in findings if item["check"] != "freshness")


def test_tables_that_seldom_change_are_never_stale(loaded: Place) -> None:
    checked = {finding.table for finding in _validate(loaded) if finding.check == "freshness"}
    assert checked == {"accounts", "accounts_subscription", "contents", "content_attributes"}


def test_levels_are_configured_by_check_and_by_table(loaded: Place) -> None:
    _break_lakehouse(loaded, "DELETE FROM raw_datavision.accounts WHERE account_id = 1")
    loaded.more = {
        "DATAVISION_INGESTA__QUALITY": json.dumps(
            {"orphans": "warning", "orphans.contents": "off", "row_count.accounts": "error"}
        )
    }
    outcomes = {key: finding.outcome for key, finding in _faults(_validate(loaded)).items()}
    assert outcomes == {("accounts", "row_count"): "error", ("accounts_subscription", "orphans"): "warning"}


def test_a_level_for_an_unknown_check_is_a_configuration_error(place: Place) -> None:
    place.more = {"DATAVISION_INGESTA__QUALITY": '{"orphan": "off"}'}
    with pytest.raises(
        ConfigurationError, match=r"'orphan' is not a check.*row_count, duplicate_keys, orphans, freshness"
    ):
        _ = place.settings


def test_a_level_for_a_misspelt_table_is_a_configuration_error(place: Place) -> None:
    done = place.command("--env", "local", DATAVISION_INGESTA__QUALITY='{"orphans.contenst": "off"}')
    assert done.returncode == exit_codes.USAGE
    said = done.stderr.strip().splitlines()[-1]
    assert "'orphans.contenst' is not a table; write orphans.TABLE with one of: accounts" in said
    assert all(name in said for name in TABLES)


def test_an_error_exits_with_3_and_names_table_check_count_and_keys(place: Place, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    place.load()
    place.change(
        "ALTER TABLE content_attributes DROP CONSTRAINT content_attributes_content_id_fkey",
        "INSERT INTO content_attributes VALUES (777777, 'Categoría', 'x', NULL, now(), now())",
    )
    done = place.command("--env", "local", "--validar-calidad-datos", DATAVISION_RESULT_FILE=str(result))
    assert done.returncode == exit_codes.QUALITY
    sentence = done.stderr.strip().splitlines()[-1]
    assert "content_attributes: orphans: 1 rows without their parent" in sentence
    assert "777777, Categoría" in sentence
    assert "Traceback" not in done.stderr
    (fault,) = [finding for finding in json.loads(result.read_text())["quality"] if finding["outcome"] == "error"]
    assert (fault["table"], fault["check"], fault["count"]) == ("content_attributes", "orphans", 1)
    assert place.differences() == {}, "the load itself is done"


def test_a_warning_is_said_and_does_not_fail(loaded: Place) -> None:
    _break_lakehouse(loaded, "DELETE FROM raw_datavision.accounts WHERE account_id = 1")
    done = loaded.command(
        "--env",
        "local",
        "--solo-validar",
        DATAVISION_INGESTA__QUALITY__ROW_COUNT="warning",
        DATAVISION_INGESTA__QUALITY__ORPHANS="off",
    )
    assert done.returncode == 0, done.stderr
    assert "warning: accounts: row_count" in done.stderr


def test_solo_validar_loads_nothing(loaded: Place) -> None:
    loaded.change("DELETE FROM content_attributes")
    done = loaded.command("--env", "local", "--solo-validar")
    assert done.returncode == exit_codes.QUALITY
    assert len(list(loaded.landing.iterdir())) == 1


def test_solo_validar_of_an_empty_lakehouse_says_to_load_first(place: Place) -> None:
    done = place.command("--env", "local", "--solo-validar")
    assert done.returncode == exit_codes.USAGE
    assert "is empty" in done.stderr
