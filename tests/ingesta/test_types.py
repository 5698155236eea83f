"""Types of PostgreSQL at their extremes: stored as it is, or refused by table and column, never changed in silence."""

from typing import Any

import psycopg
import pytest

from ingesta.errors import QualityError, UsageError
from ingesta.settings import IngestaSettings

Place = Any

AS_TEXT = [
    ("numeric", "-1234567890123456789012345678.1234567891"),
    ("numeric(50,10)", "1"),
    ("timestamp", "'294247-01-10 04:00:54'"),
    ("timestamp", "'200000-01-01'"),
    ("timestamp", "'infinity'"),
    ("timestamp", "'-infinity'"),
    ("timestamptz", "'infinity'"),
    ("timestamptz", "'-infinity'"),
    ("date", "'5874897-12-31'"),
    ("date", "'infinity'"),
    ("date", "'-infinity'"),
    ("time", "'24:00'"),
    ("time", "'23:59:59.999999'"),
    ("timetz", "'23:59:59.999999+15:59'"),
    ("timetz", "'24:00-03'"),
    ("interval", "'infinity'"),
    ("interval", "'-1 mons +3000000:05:06.789123'"),
    ("interval", "'178000000 years'"),
    ("int8", "9223372036854775807"),
    ("int2", "-32768"),
    ("bool", "true"),
    ("uuid", "'00000000-0000-0000-0000-0000000000ff'"),
    ("text", "E'a\\u00f1\\n\\t\\U0001F600'"),
    ("text", "''"),
    ("varchar(3)", "'abc'"),
    ("char(5)", "'ab'"),
    ("name", "'n'"),
    ('"char"', "'c'"),
    ("bit(3)", "B'101'"),
    ("varbit", "B'10101'"),
    ("json", "'{\"a\":  1}'"),
    ("jsonb", "'{\"a\": 1}'"),
    ("inet", "'10.0.0.1/8'"),
    ("cidr", "'10.0.0.0/8'"),
    ("macaddr", "'08:00:2b:01:02:03'"),
    ("money", "'12.34'"),
    ("oid", "4294967295"),
    ("int4range", "'[1,5)'"),
    ("tsrange", "'[2020-01-01,)'"),
    ("int4multirange", "'{[1,2),[5,6)}'"),
    ("tsvector", "'a b'"),
    ("pg_lsn", "'16/B374D848'"),
    ("mood", "'mal'"),
    ("positive", "1.5"),
    ("positive", "'NaN'"),
]
"""Text in the lakehouse is PostgreSQL's own."""

AS_VALUE = [
    ("timestamp", "'4713-01-01 BC'", "4713-01-01 (BC) 00:00:00"),
    ("timestamp", "'0044-03-15 12:00:00.123456 BC'", "0044-03-15 (BC) 12:00:00.123456"),
    ("timestamptz", "'0044-03-15 00:00:00+00 BC'", "0044-03-15 (BC) 00:00:00+00"),
    ("timestamp[]", "'{infinity}'", "[infinity]"),
    ("date", "'4713-01-01 BC'", "4713-01-01 (BC)"),
    ("numeric(38,38)", "1e-38", f".{'0' * 37}1"),
    ("float8", "'NaN'", "nan"),
    ("float8", "'-Infinity'", "-inf"),
    ("float8", "1e308", "1e+308"),
    ("float4", "'NaN'", "nan"),
    ("bytea", "'\\x00ff'", "\\x00\\xFF"),
    ("point", "'(1,2)'", "{'x': 1.0, 'y': 2.0}"),
    ("numeric[]", "'{0.1234567891,NULL}'", "[0.1234567891, NULL]"),
    ("text[]", "'{a,NULL,\"b,c\"}'", "[a, NULL, 'b,c']"),
    ("int4[]", "'{}'", "[]"),
    ("mood[]", "'{mal}'", "[mal]"),
    ("timetz[]", "'{24:00-03}'", "['24:00:00-03']"),
    ("address", "'(calle,1)'", "{'street': calle, 'number': 1}"),
]
"""The same value in DuckDB's writing."""

REFUSED = [
    ("numeric(10,2)", "'NaN'"),
    ("numeric", "'NaN'"),
    ("numeric", "'Infinity'"),
    ("numeric", "'-Infinity'"),
    ("numeric", "1e30"),
    ("numeric", "0.12345678901"),
    ("numeric(50,2)", "1e40"),
    ("numeric(50,20)", "0.12345678901234"),
    ("numeric[]", "'{NaN,1}'"),
    ("numeric(10,2)[]", "'{NaN,1}'"),
    ("numeric(10,2)[]", "'{{1.5,2},{3,4}}'"),
    ("int4[]", "'{{1,2},{3,4}}'"),
    ("timestamp", "'294276-12-31'"),
    ("timestamptz", "'294276-12-31+00'"),
    ("timestamp[]", "'{294276-12-31}'"),
]


@pytest.fixture
def column(place: Place) -> Any:
    """Gives premium_features a column `x` with one value, in its row 1."""

    def add(kind: str, value: str) -> None:
        place.change(
            "CREATE TYPE mood AS ENUM ('bien', 'mal')",
            "CREATE DOMAIN positive AS numeric(10,2)",
            "CREATE TYPE address AS (street text, number int)",
            f"ALTER TABLE premium_features ADD x {kind}",
            f"UPDATE premium_features SET x = {value} WHERE feature_id = 1",
        )

    return add


def stored(place: Place) -> Any:
    ((value,),) = place.sql("SELECT x::varchar FROM raw_datavision.premium_features WHERE feature_id = 1")
    return value


@pytest.mark.parametrize(("kind", "value"), AS_TEXT)
def test_a_value_is_stored_as_postgresql_writes_it(place: Place, column: Any, kind: str, value: str) -> None:
    column(kind, value)
    place.load("premium_features")
    ((written,),) = place.ask_source("SELECT x::text FROM premium_features WHERE feature_id = 1")
    assert stored(place) == written
    assert place.load("premium_features").as_json()["rows"] == 0


@pytest.mark.parametrize(("kind", "value", "written"), AS_VALUE)
def test_a_value_is_stored_equal(place: Place, column: Any, kind: str, value: str, written: str) -> None:
    column(kind, value)
    place.load("premium_features")
    assert stored(place) == written


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_that_would_change_is_refused_by_name(place: Place, column: Any, kind: str, value: str) -> None:
    column(kind, value)
    with pytest.raises(QualityError, match=r"Column 'x' of table 'premium_features' holds 1 value.*feature_id is 1\."):
        place.load("premium_features")
    assert QualityError.exit_code == 3
    assert place.sql("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw_datavision'") == [(0,)]


@pytest.mark.parametrize(("kind", "value"), REFUSED[::4])
def test_a_setting_stores_it_as_null(place: Place, column: Any, kind: str, value: str) -> None:
    column(kind, value)
    place.more = {"DATAVISION_INGESTA__UNREPRESENTABLE": '{"premium_features.x": "null"}'}
    place.load("premium_features")
    assert stored(place) is None


def test_a_setting_rounds_what_is_too_fine_and_nothing_else(place: Place, column: Any) -> None:
    column("numeric", "0.12345678905")
    place.more = {"DATAVISION_INGESTA__UNREPRESENTABLE": '{"premium_features.x": "round"}'}
    place.load("premium_features")
    assert stored(place) == "0.1234567891"
    place.change("UPDATE premium_features SET x = 'NaN' WHERE feature_id = 2")
    with pytest.raises(QualityError, match=r"holds 1 value.*feature_id is 2\."):
        place.load("premium_features")


def test_money_that_is_no_number_is_refused_with_sample_keys_and_the_load_before_stays(loaded: Place) -> None:
    before = loaded.sql("SELECT sum(amount) FROM raw_datavision.subscription_payments")
    loaded.change("UPDATE subscription_payments SET amount = 'NaN' WHERE payment_id <= 7")
    done = loaded.command("--env", "local")
    assert done.returncode == 3, done.stderr
    assert "Column 'amount' of table 'subscription_payments' holds 7 value(s)" in done.stderr
    assert "payment_id is 1; 2; 3; 4; 5." in done.stderr
    assert "Traceback" not in done.stderr
    assert loaded.sql("SELECT sum(amount) FROM raw_datavision.subscription_payments") == before


@pytest.mark.parametrize("kind", ["hstore", "citext"])
def test_types_of_extensions_are_stored_as_text(place: Place, kind: str) -> None:
    try:
        place.change(f"CREATE EXTENSION {kind}")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip(f"this PostgreSQL comes without {kind}")
    place.change(f"ALTER TABLE premium_features ADD x {kind} DEFAULT 'a=>1'")
    place.load("premium_features")
    assert stored(place) in ("a=>1", '"a"=>"1"')


@pytest.mark.parametrize("name", ["_id_carga", "_cargado_en", "_known", "_ID_CARGA"])
def test_a_column_named_as_one_of_ours_is_refused_by_name(place: Place, name: str) -> None:
    place.change(f'ALTER TABLE premium_features ADD "{name}" int')
    with pytest.raises(UsageError, match=f"Column '{name}' of table 'premium_features'.*Rename it"):
        place.load("premium_features")


def test_columns_that_differ_in_case_only_are_refused_by_name(place: Place) -> None:
    place.change('ALTER TABLE accounts ADD "ACCOUNT_NAME" text')
    with pytest.raises(UsageError, match=r"Columns 'account_name' and 'ACCOUNT_NAME' of table 'accounts'.*Rename one"):
        place.load("accounts")


@pytest.mark.parametrize("name", ["acounts.balance", "accounts", "balance"])
def test_a_setting_for_no_column_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not a column; write TABLE.COLUMN"):
        IngestaSettings(unrepresentable={name: "null"})
