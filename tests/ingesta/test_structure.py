from decimal import Decimal
from typing import Any

import pytest

from ingesta.errors import UsageError
from ingesta.structure import Column, added_columns, lake_column, same_structure

Place = Any


def test_a_new_column_appears_with_the_values_of_all_rows(loaded: Place) -> None:
    loaded.change("ALTER TABLE accounts ADD country text NOT NULL DEFAULT 'AR'")
    loaded.load()
    assert loaded.sql("SELECT DISTINCT country FROM raw_datavision.accounts") == [("AR",)]
    assert loaded.differences() == {}


def test_a_vanished_column_is_named_and_nothing_is_loaded(loaded: Place) -> None:
    loaded.change("DELETE FROM account_premium_features", "ALTER TABLE contents DROP COLUMN description")
    with pytest.raises(UsageError, match=r"'description' vanished from table 'contents'.*--full-refresh"):
        loaded.load()
    assert loaded.sql("SELECT count(*) > 0 FROM raw_datavision.account_premium_features") == [(True,)]


def test_a_retyped_column_is_named_with_both_types(loaded: Place) -> None:
    loaded.change("ALTER TABLE subscription_payments ALTER amount TYPE numeric(14, 4)")
    with pytest.raises(
        UsageError, match=r"'amount' of table 'subscription_payments'.*DECIMAL\(12,2\).*DECIMAL\(14,4\)"
    ):
        loaded.load()


def test_full_refresh_takes_the_new_structure(loaded: Place) -> None:
    loaded.change(
        "ALTER TABLE subscription_payments ALTER amount TYPE numeric(14, 4)",
        "ALTER TABLE contents DROP COLUMN description",
    )
    loaded.load("subscription_payments", "contents", full_refresh=True)
    assert loaded.differences() == {}
    assert loaded.sql("SELECT typeof(amount) FROM raw_datavision.subscription_payments LIMIT 1") == [("DECIMAL(14,4)",)]


def test_a_renamed_key_names_the_declaration(place: Place) -> None:
    place.change("ALTER TABLE premium_features RENAME feature_id TO id")
    with pytest.raises(UsageError, match=r"no column 'feature_id'.*ingesta/tables\.py"):
        place.load("premium_features")


def test_a_missing_table_is_named_with_those_that_are_there(place: Place) -> None:
    place.change("DROP TABLE account_premium_features")
    with pytest.raises(UsageError, match=r"no table public\.account_premium_features.*accounts accounts_subscription"):
        place.load()


def test_unusual_types_arrive_without_loss(place: Place) -> None:
    place.change(
        "CREATE TYPE mood AS ENUM ('bien', 'mal')",
        "ALTER TABLE premium_features ADD exact numeric DEFAULT 0.1234567891, ADD mood mood DEFAULT 'bien', "
        "ADD tags text[] DEFAULT '{a,\"b,c\"}', ADD doc jsonb DEFAULT '{\"x\": 1}', ADD raw bytea DEFAULT '\\x00ff', "
        'ADD "Odd Name" int DEFAULT 7, ADD uid uuid DEFAULT gen_random_uuid(), ADD seen timestamptz DEFAULT now(), '
        "ADD huge numeric(60, 2) DEFAULT 12345678901234567890.25",
    )
    place.load("premium_features")
    (row,) = place.sql(
        'SELECT exact, mood, tags, doc, raw, "Odd Name", huge FROM raw_datavision.premium_features WHERE feature_id = 1'
    )
    assert row == (
        Decimal("0.1234567891"),
        "bien",
        ["a", "b,c"],
        '{"x": 1}',
        b"\x00\xff",
        7,
        Decimal("12345678901234567890.25"),
    )
    assert place.load("premium_features").as_json()["rows"] == 0


def test_texts_with_quotes_newlines_and_nulls_arrive_as_they_are(loaded: Place) -> None:
    text = "l'arbre \"vert\"\n\t\\N, ñ 🌱 ''"
    loaded.change(
        f"UPDATE contents SET title = $x${text}$x$, description = '', content_type = NULL, "
        "updated_at = now() AT TIME ZONE 'utc' WHERE content_id = 1"
    )
    loaded.load("contents")
    assert loaded.sql("SELECT title, description, content_type FROM raw_datavision.contents WHERE content_id = 1") == [
        (text, "", None)
    ]


@pytest.mark.parametrize(
    ("scanner", "source", "expected"),
    [
        ("DOUBLE", "numeric", Column("c", "DECIMAL(38,10)", '"c"::numeric(38,10)')),
        ("DOUBLE[]", "numeric[]", Column("c", "DECIMAL(38,10)[]", '"c"::numeric(38,10)[]')),
        ("DOUBLE", "double precision", Column("c", "DOUBLE")),
        ("DECIMAL(12,2)", "numeric(12,2)", Column("c", "DECIMAL(12,2)")),
        ("ENUM('a', 'b')", "mood", Column("c", "VARCHAR")),
    ],
)
def test_a_numeric_never_becomes_a_float(scanner: str, source: str, expected: Column) -> None:
    assert lake_column("c", scanner, source) == expected


def test_own_columns_are_no_part_of_the_comparison() -> None:
    lake = [Column("a", "INTEGER"), Column("_cargado_en", "TIMESTAMP WITH TIME ZONE"), Column("_id_carga", "VARCHAR")]
    assert added_columns("t", [Column("a", "INTEGER"), Column("b", "DATE")], lake) == [Column("b", "DATE")]
    assert same_structure([Column("a", "INTEGER")], lake)
    assert not same_structure([Column("a", "BIGINT")], lake)
