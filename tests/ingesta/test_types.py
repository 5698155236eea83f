"""Types of PostgreSQL at their extremes: stored as it is, or refused by table and column, never changed in silence."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from tests.ingesta.conftest import MakePlace, Place

from ingesta.errors import QualityError, UsageError
from ingesta.settings import IngestaSettings

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
    ("moment", "'294276-12-31'"),
    ("address", "'(calle,1)'"),
    ("prices", "'(1.5,NaN)'"),
    ("citext", "'Aé'"),
    ("xml", "convert_to('<a b=\"1\">é &amp; ü</a>', 'UTF8')::xml"),
    ("int4", "-2147483648"),
    ("line", "'{1,-1,0.1}'"),
    ("lseg", "'[(1,2),(3,4)]'"),
    ("box", "'(1,2),(3,4)'"),
    ("path", "'[(1,2),(3,4)]'"),
    ("polygon", "'((0,0),(1,1),(1,0))'"),
    ("circle", "'<(1,2),3>'"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'"),
    ("jsonpath", "'$.a[*]'"),
    ("tsquery", "'a & b'"),
    ("xid", "'4294967295'"),
    ("xid8", "'18446744073709551615'"),
    ("cid", "'7'"),
    ("tid", "'(1,2)'"),
    ("pg_snapshot", "'10:20:10,14'"),
    ("txid_snapshot", "'10:20:10,14'"),
    ("regclass", "'pg_class'"),
    ("refcursor", "'c'"),
    ("int2vector", "'1 2'"),
    ("oidvector", "'1 2'"),
    ("int8range", "'[1,9223372036854775807)'"),
    ("numrange", "'(1.123456789012345678901,NaN]'"),
    ("daterange", "'[-infinity,2020-01-01)'"),
    ("tstzrange", "'[2020-01-01 00:00+00,infinity]'"),
    ("int8multirange", "'{[1,2)}'"),
    ("nummultirange", "'{[1.5,2)}'"),
    ("datemultirange", "'{[2020-01-01,2020-01-02)}'"),
    ("tsmultirange", "'{[2020-01-01,2020-01-02)}'"),
    ("tstzmultirange", "'{}'"),
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
    ("address[]", "ARRAY['(calle,1)'::address]", "['(calle,1)']"),
    ("xml[]", "ARRAY[convert_to('<a>é</a>', 'UTF8')::xml]", "[<a>é</a>]"),
    ("citext[]", "'{Aé}'", "[Aé]"),
    ("bytea[]", r"""'{"\\x00ff"}'""", "[\\x00ff]"),
    ("point[]", "ARRAY['(1,2)'::point]", "['(1,2)']"),
    ("line[]", "ARRAY['{1,-1,0.1}'::line]", "['{1,-1,0.1}']"),
    ("box[]", "'{(1,2),(3,4)}'", "['(3,4),(1,2)']"),
    ("positive[]", "'{1.5,NaN}'", "[1.50, NaN]"),
    ("interval[]", "'{1 mon,infinity}'", "[1 mon, infinity]"),
    ("date[]", "'{infinity,0044-03-15 BC}'", "[infinity, '0044-03-15 (BC)']"),
    ("int4range[]", "ARRAY['[1,5)'::int4range]", "['[1,5)']"),
    ("json[]", """ARRAY['{"a":  1}'::json]""", """['{"a":  1}']"""),
    ("uuid[]", "'{00000000-0000-0000-0000-0000000000ff}'", "[00000000-0000-0000-0000-0000000000ff]"),
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


NO_VALUES = {
    "aclitem",
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
}
"""Types of PostgreSQL's own catalog, which tables do not have."""

CITEXT = (
    "CREATE TYPE citext",
    "CREATE FUNCTION citextin(cstring) RETURNS citext AS 'textin' LANGUAGE internal IMMUTABLE STRICT",
    "CREATE FUNCTION citextout(citext) RETURNS cstring AS 'textout' LANGUAGE internal IMMUTABLE STRICT",
    "CREATE FUNCTION citextrecv(internal) RETURNS citext AS 'textrecv' LANGUAGE internal STABLE STRICT",
    "CREATE FUNCTION citextsend(citext) RETURNS bytea AS 'textsend' LANGUAGE internal STABLE STRICT",
    "CREATE TYPE citext (INPUT = citextin, OUTPUT = citextout, RECEIVE = citextrecv, SEND = citextsend, "
    "INTERNALLENGTH = VARIABLE, STORAGE = extended, CATEGORY = 'S', PREFERRED = false, COLLATABLE = true)",
)
"""The type as the extension's own script makes it; the embedded PostgreSQL comes without its library."""

TYPES = (
    *CITEXT,
    # Text becomes XML without being parsed, which only a PostgreSQL built with libxml can do.
    "CREATE CAST (bytea AS xml) WITHOUT FUNCTION",
    "CREATE TYPE mood AS ENUM ('bien', 'mal')",
    "CREATE DOMAIN positive AS numeric(10,2)",
    "CREATE DOMAIN moment AS timestamp",
    "CREATE TYPE address AS (street text, number int)",
    "CREATE TYPE prices AS (low numeric(10,2), high numeric(10,2))",
)
ROW_1 = "premium_features WHERE feature_id = 1"


@pytest.fixture
def column(place: Place) -> Callable[[str, str], None]:
    """Gives premium_features a column `x` with one value, in its row 1."""

    def add(kind: str, value: str) -> None:
        place.change(
            *TYPES,
            f"ALTER TABLE premium_features ADD x {kind}",
            f"UPDATE premium_features SET x = {value} WHERE feature_id = 1",
        )

    return add


@dataclass(frozen=True)
class Loaded:
    """What row 1 of premium_features holds after a load, in a column for each case, as text."""

    source: Mapping[tuple[str, str], str]
    lakehouse: Mapping[tuple[str, str], str]
    written_again: int
    """Rows that a second load wrote."""


@pytest.fixture(scope="module")
def cases(make_place: MakePlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """All values that are stored, in one table and one load."""
    stored_values = [*AS_TEXT, *((kind, value) for kind, value, _ in AS_VALUE)]
    names = {case: f"x{number}" for number, case in enumerate(stored_values)}
    with make_place(tmp_path_factory.mktemp("types")) as place:
        place.change(
            *TYPES,
            *(f"ALTER TABLE premium_features ADD {name} {kind}" for (kind, _), name in names.items()),
            *(
                f"UPDATE premium_features SET {name} = {value} WHERE feature_id = 1"
                for (_, value), name in names.items()
            ),
        )
        place.load("premium_features")
        (at_the_source,) = place.ask_source(
            f"SELECT {', '.join(f'{name}::text' for name in names.values())} FROM {ROW_1}"
        )
        columns = ", ".join(f"{name}::varchar" for name in names.values())
        (in_the_lakehouse,) = place.sql(f"SELECT {columns} FROM raw_datavision.{ROW_1}")
        again = place.load("premium_features").as_json()["rows"]
        yield Loaded(
            dict(zip(names, at_the_source, strict=True)), dict(zip(names, in_the_lakehouse, strict=True)), again
        )


def stored(place: Place) -> Any:
    ((value,),) = place.sql("SELECT x::varchar FROM raw_datavision.premium_features WHERE feature_id = 1")
    return value


@pytest.mark.parametrize(("kind", "value"), AS_TEXT)
def test_a_value_is_stored_as_postgresql_writes_it(cases: Loaded, kind: str, value: str) -> None:
    assert cases.lakehouse[kind, value] == cases.source[kind, value]


@pytest.mark.parametrize(("kind", "value", "written"), AS_VALUE)
def test_a_value_is_stored_equal(cases: Loaded, kind: str, value: str, written: str) -> None:
    assert cases.lakehouse[kind, value] == written


def test_no_stored_value_looks_changed_to_the_next_load(cases: Loaded) -> None:
    assert len(cases.lakehouse) == len({case[:2] for case in [*AS_TEXT, *AS_VALUE]})
    assert cases.written_again == 0


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_that_would_change_is_refused_by_name(
    place: Place, column: Callable[[str, str], None], kind: str, value: str
) -> None:
    column(kind, value)
    with pytest.raises(QualityError, match=r"Column 'x' of table 'premium_features' holds 1 value.*feature_id is 1\."):
        place.load("premium_features")
    assert QualityError.exit_code == 3
    assert place.sql("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw_datavision'") == [(0,)]


@pytest.mark.parametrize(("kind", "value"), REFUSED[::4])
def test_a_setting_stores_it_as_null(place: Place, column: Callable[[str, str], None], kind: str, value: str) -> None:
    column(kind, value)
    place.more = {"DATAVISION_INGESTA__UNREPRESENTABLE": '{"premium_features.x": "null"}'}
    place.load("premium_features")
    assert stored(place) is None


def test_a_setting_rounds_what_is_too_fine_and_nothing_else(place: Place, column: Callable[[str, str], None]) -> None:
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


def test_every_type_of_postgresql_is_in_these_tables(place: Place) -> None:
    tried = {re.sub(r"\(.*?\)|\[\]", "", kind).strip('"') for kind, *_ in (*AS_TEXT, *AS_VALUE, *REFUSED)}
    types = place.ask_source(
        "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') "
        "AND typcategory <> 'A' AND typrelid = 0"
    )
    untried = {name for (name,) in types} - tried - NO_VALUES - {"bpchar"}  # char(5) is one
    assert {name for name in untried if not name.startswith("reg")} == set()


def test_hstore_is_stored_as_text(place: Place) -> None:
    try:
        place.change("CREATE EXTENSION hstore")
    except psycopg.errors.FeatureNotSupported as error:
        pytest.skip(f"This PostgreSQL says: {error}")
    place.change("ALTER TABLE premium_features ADD x hstore DEFAULT 'a=>1'")
    place.load("premium_features")
    assert stored(place) == '"a"=>"1"'


@pytest.mark.parametrize("kind", ["numeric(5,-2)", "numeric(3,5)"])
def test_a_numeric_of_a_scale_that_the_lakehouse_has_no_type_for_is_refused_by_name(place: Place, kind: str) -> None:
    place.change(f"ALTER TABLE premium_features ADD x {kind}")
    message = f"Column 'x' of table 'premium_features' is a {re.escape(kind)}.*Make it"
    with pytest.raises(UsageError, match=message):
        place.load("premium_features")
    with pytest.raises(UsageError, match=message):
        place.load("accounts")


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
