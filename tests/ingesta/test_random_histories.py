"""Whatever happens to a table between loads, a load of its changes ends like a full read."""

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datavision_lakehouse import connect

Place = Any

MOMENTS = (
    "2026-11-01 00:00:00",
    "2026-11-01 00:00:00.000001",
    "2026-10-31",
    "2026-10-01",
    "2019-05-05",
    "0044-03-15 BC",
    "9999-12-31",
    "200000-01-01",
    None,
)
KEYS = st.integers(1, 6)


@dataclass(frozen=True)
class Write:
    """A row is inserted, or updated where it is there; `kept` leaves the cursor of a row as it was."""

    key: int
    title: str | None
    cursor: str | None
    kept: bool

    def sql(self) -> tuple[str, tuple[Any, ...]]:
        moved = "" if self.kept else ", updated_at = excluded.updated_at"
        return (
            "INSERT INTO contents (content_id, title, updated_at) VALUES (%s, %s, %s) "
            f"ON CONFLICT (content_id) DO UPDATE SET title = excluded.title{moved}",
            (self.key, self.title, self.cursor),
        )


@dataclass(frozen=True)
class Delete:
    """A row goes, if it was there."""

    key: int

    def sql(self) -> tuple[str, tuple[Any, ...]]:
        return "DELETE FROM contents WHERE content_id = %s", (self.key,)


@dataclass(frozen=True)
class Day:
    """Changes, and the load after them; one by cursors alone may miss rows, which the next other one must find."""

    changes: tuple[Write | Delete, ...]
    row_hash: Literal["always", "never"]
    row_versions: bool


TITLES = st.sampled_from(["a", "A", "a ", "ab", "", None])
WRITES = st.builds(Write, KEYS, TITLES, st.sampled_from(MOMENTS), st.booleans())
CHANGES = st.lists(st.one_of(WRITES, WRITES, st.builds(Delete, KEYS)), max_size=6).map(tuple)
DAYS = st.lists(
    st.builds(Day, CHANGES, st.sampled_from(["always", "always", "never"]), st.booleans()), min_size=2, max_size=5
)


def begin(place: Place) -> None:
    """An empty table at the source, and a lakehouse that never saw it."""
    place.change(
        "DROP TABLE IF EXISTS contents CASCADE",
        "CREATE TABLE contents (content_id bigint PRIMARY KEY, account_id bigint, title text, updated_at timestamp)",
    )
    with connect(place.settings.lakehouse) as connection:
        connection.execute("DROP SCHEMA IF EXISTS raw_datavision CASCADE")


@pytest.mark.slow
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    # Every example begins with a table and a lakehouse of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(days=DAYS)
def test_incremental_loads_of_a_random_history_equal_a_full_read(place: Place, days: list[Day]) -> None:
    # Even a table of one row is asked for its changes alone.
    place.more = {"DATAVISION_INGESTA__COMPARE_ROWS": "0"}
    begin(place)
    for day in days:
        with psycopg.connect(place.source_url) as source:
            for change in day.changes:
                source.execute(*change.sql())
        place.more["DATAVISION_INGESTA__ROW_HASH"] = day.row_hash
        place.more["DATAVISION_INGESTA__ROW_VERSIONS"] = str(day.row_versions)
        place.load("contents")
        if day.row_versions or day.row_hash == "always":
            assert place.differences(["contents"]) == {}
            assert place.load("contents").as_json()["rows"] == 0, "a load without change touches no row"
