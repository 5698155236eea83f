"""The merge by itself: landing files written by hand, a lakehouse whose catalog is a file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from datavision_lakehouse.extensions import load_extensions
from ingesta.extract import Extract, LandedFile, Load
from ingesta.landing_folder import FolderLanding
from ingesta.merge import Merged, Merger
from ingesta.structure import Column
from ingesta.tables import Table
from ingesta.versions import Mark

COLUMNS = (Column("k", "BIGINT"), Column("part", "VARCHAR"), Column("value", "VARCHAR"))
Row = tuple[int, str, str | None]


@dataclass
class Lake:
    """A lakehouse, and the landing before it."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    loads: int = 0

    def extract(self, rows: Sequence[Row], **changes: Any) -> Extract:
        """Land rows, with their hash, as the next load."""
        extract = Extract(
            table=Table("things", key=("k", "part")), columns=COLUMNS, added=(), rebuild=self.loads == 0,
            reading="whole", files=(LandedFile("things.parquet", len(rows), 1),), keys=None, hashed=True,
            compared=True, mark=None, source_rows=len(rows), seconds=0.0,
        )  # fmt: skip
        extract = replace(extract, **changes)
        folder = self.folder / f"load-{self.loads + 1}"
        folder.mkdir()
        values = ", ".join(str((k, part, value)).replace("None", "NULL") for k, part, value in rows) or "(0, '', '')"
        digest = ", (hash(k, part, value) & 4294967295)::BIGINT AS _huella" if extract.hashed else ""
        self.connection.execute(
            f"COPY (SELECT k::BIGINT AS k, part, value::VARCHAR AS value{digest} FROM (VALUES {values}) "
            f"v(k, part, value) WHERE {bool(rows)}) TO '{folder}/things.parquet' (FORMAT parquet)"
        )
        return extract

    def keys(self, *keys: tuple[int, str]) -> LandedFile:
        """Land the keys of the source beside the rows of the next load."""
        self.connection.execute(
            f"COPY (SELECT k::BIGINT AS k, part FROM (VALUES {', '.join(map(str, keys))}) v(k, part)) "
            f"TO '{self.folder}/keys-{self.loads + 1}.parquet' (FORMAT parquet)"
        )
        return LandedFile(f"../keys-{self.loads + 1}.parquet", len(keys), 1)

    def merge(self, extract: Extract) -> Merged:
        self.loads += 1
        load = Load(f"load-{self.loads}", datetime(2026, 11, self.loads, tzinfo=UTC))
        merger = Merger(self.connection, FolderLanding(str(self.folder), "setting"), load)
        (merged,) = merger.merge([extract], print)
        return merged

    def load(self, *rows: Row, **changes: Any) -> Merged:
        return self.merge(self.extract(rows, **changes))

    def rows(self, columns: str = "k, part, value, _id_carga") -> list[tuple[Any, ...]]:
        return self.connection.execute(f"SELECT {columns} FROM raw_datavision.things ORDER BY 1, 2").fetchall()


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    connection = duckdb.connect()
    load_extensions(connection)
    connection.execute(f"SET TimeZone = 'UTC'; ATTACH 'ducklake:{tmp_path}/catalog' AS lake (DATA_PATH '{tmp_path}/d')")
    connection.execute("USE lake")
    yield Lake(connection, tmp_path)
    connection.close()


FOUR: tuple[Row, ...] = ((1, "a", "x"), (1, "b", "y"), (2, "a", None), (3, "a", "z"))


def test_a_new_table_holds_every_row_with_its_load_moment_and_hash(lake: Lake) -> None:
    assert lake.load(*FOUR) == Merged("things", "new", 4, 0, 0, 4)
    assert lake.rows() == [(*row, "load-1") for row in FOUR]
    assert lake.rows("count(*), min(_cargado_en), count(_huella)") == [(4, datetime(2026, 11, 1, tzinfo=UTC), 4)]


def test_only_what_changed_gets_the_new_load(lake: Lake) -> None:
    lake.load(*FOUR)
    done = lake.load((1, "a", "x"), (1, "b", "y"), (2, "a", "new"), (4, "a", "w"), table=compared())
    assert done == Merged("things", "compare", 1, 1, 1, 4)
    assert lake.rows("k, part, value, _id_carga, day(_cargado_en)") == [
        (1, "a", "x", "load-1", 1),
        (1, "b", "y", "load-1", 1),
        (2, "a", "new", "load-2", 2),
        (4, "a", "w", "load-2", 2),
    ]


def compared(mode: Any = "compare") -> Table:
    return Table("things", key=("k", "part"), mode=mode)


def test_a_load_without_change_writes_nothing(lake: Lake) -> None:
    lake.load(*FOUR)
    before = lake.rows()
    assert lake.load(*FOUR) == Merged("things", "compare", 0, 0, 0, 4)
    assert lake.rows() == before


@pytest.mark.parametrize(
    ("mode", "changed", "expected"),
    [
        ("auto", 0, "compare"),
        ("auto", 2, "compare"),
        ("auto", 3, "replace"),
        ("compare", 4, "compare"),
        ("replace", 0, "replace"),
    ],
)
def test_more_than_half_of_the_rows_changed_writes_the_table_anew(
    lake: Lake, mode: Any, changed: int, expected: str
) -> None:
    lake.load(*FOUR)
    rows = [(k, part, "new" if number < changed else value) for number, (k, part, value) in enumerate(FOUR)]
    assert lake.load(*rows, table=compared(mode)) == Merged("things", expected, 0, changed, 0, 4)  # type: ignore[arg-type]  # a parameter
    assert lake.rows("k, part, value") == rows


def test_inserted_and_deleted_rows_count_as_changed(lake: Lake) -> None:
    lake.load(*FOUR)
    assert lake.load(FOUR[0], (5, "a", "v")) == Merged("things", "replace", 1, 0, 3, 2)
    assert lake.rows("k, part, value") == [FOUR[0], (5, "a", "v")]


def test_when_only_changes_were_read_the_keys_tell_what_is_gone(lake: Lake) -> None:
    lake.load(*FOUR)
    keys = lake.keys((1, "a"), (1, "b"), (3, "a"))
    extract = lake.extract([(1, "b", "new")], reading="changes", keys=keys)
    assert lake.merge(extract) == Merged("things", "compare", 0, 1, 1, 3)
    assert lake.rows() == [(1, "a", "x", "load-1"), (1, "b", "new", "load-2"), (3, "a", "z", "load-1")]


def test_changes_alone_never_replace_a_table(lake: Lake) -> None:
    lake.load(*FOUR)
    keys = lake.keys(*((k, part) for k, part, _ in FOUR))
    rows = [(k, part, "new") for k, part, _ in FOUR[:3]]
    assert lake.merge(lake.extract(rows, reading="changes", keys=keys)).mode == "compare"
    assert lake.rows("k, part, value") == [*rows, FOUR[3]]


def test_rows_that_only_get_a_hash_keep_the_load_that_brought_them(lake: Lake) -> None:
    lake.load(*FOUR, hashed=False)
    assert "_huella" not in [row[0] for row in lake.connection.execute("DESCRIBE raw_datavision.things").fetchall()]
    assert lake.load(*FOUR, table=compared()) == Merged("things", "compare", 0, 0, 0, 4)
    assert lake.rows("k, part, value, _id_carga, day(_cargado_en)") == [(*row, "load-1", 1) for row in FOUR]
    assert lake.rows("count(_huella), count(*)") == [(4, 4)]


def test_rows_that_change_while_others_only_get_a_hash_get_the_new_load(lake: Lake) -> None:
    lake.load(*FOUR, hashed=False)
    rows = [(k, part, "new") for k, part, _ in FOUR[:2]] + list(FOUR[2:])
    assert lake.load(*rows, table=compared()) == Merged("things", "compare", 0, 2, 0, 4)
    assert lake.rows() == [(*row, load) for row, load in zip(rows, ["load-2"] * 2 + ["load-1"] * 2, strict=True)]


def test_a_new_column_is_added_and_filled(lake: Lake) -> None:
    lake.load(*FOUR, columns=COLUMNS[:2])
    lake.load(*FOUR, added=COLUMNS[2:], table=compared())
    assert lake.rows("k, part, value") == list(FOUR)


def test_every_load_is_recorded_with_its_numbers(lake: Lake) -> None:
    lake.load(*FOUR)
    lake.load(*FOUR[:3], (4, "a", "w"), table=compared(), compared=False)
    records = lake.connection.execute(
        "SELECT * EXCLUDE cargado_en, day(cargado_en) FROM raw_datavision._cargas ORDER BY 1"
    ).fetchall()
    assert records == [
        ("load-1", "things", "new", 4, 0, 0, 4, 4, True, None, 1),
        ("load-2", "things", "compare", 1, 0, 1, 4, 4, False, None, 2),
    ]
    authors = lake.connection.execute("SELECT commit_message FROM lake.snapshots() WHERE author = 'ingesta'").fetchall()
    assert authors == [("load-1",), ("load-2",)]


def test_records_of_earlier_versions_get_the_columns_that_they_lack(lake: Lake) -> None:
    lake.load(*FOUR)
    for column in ("huella", "marca"):
        lake.connection.execute(f"ALTER TABLE raw_datavision._cargas DROP COLUMN {column}")
    lake.load(*FOUR, mark=Mark("s", "t", "c", 7))
    found = lake.connection.execute("SELECT huella, marca FROM raw_datavision._cargas ORDER BY id_carga").fetchall()
    assert found == [(None, None), (True, str(Mark("s", "t", "c", 7)))]


def test_a_failed_merge_leaves_everything_as_it_was_and_the_connection_usable(lake: Lake) -> None:
    lake.load(*FOUR)
    before = lake.rows()
    broken = lake.extract([(1, "a", "other")], files=(LandedFile("missing.parquet", 1, 1),))
    with pytest.raises(duckdb.Error, match=r"missing\.parquet"):
        lake.merge(broken)
    assert lake.rows() == before
    assert lake.load(*FOUR) == Merged("things", "compare", 0, 0, 0, 4)
    temporary = "SELECT table_name FROM duckdb_tables() WHERE table_name IN ('changed', 'gone')"
    assert lake.connection.execute(temporary).fetchall() == []


class Busy(Merger):
    """Loses against other writers a number of times."""

    losses = 0

    def _merge_all(self, extracts: Iterable[Extract]) -> list[Merged]:
        if self.losses:
            self.losses -= 1
            raise duckdb.TransactionException("conflict")
        return super()._merge_all(extracts)


@pytest.mark.parametrize(("losses", "succeeds"), [(4, True), (5, False)])
def test_a_merge_that_loses_against_another_writer_is_tried_five_times(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, losses: int, succeeds: bool
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    load = Load("load-1", datetime(2026, 11, 1, tzinfo=UTC))
    busy = Busy(lake.connection, FolderLanding(str(lake.folder), "setting"), load)
    said: list[str] = []
    busy.losses = losses
    extract = lake.extract(FOUR)
    if succeeds:
        assert [done.inserted for done in busy.merge([extract], said.append)] == [4]
    else:
        with pytest.raises(duckdb.TransactionException):
            busy.merge([extract], said.append)
    assert said == ["another writer was faster: merging again"] * 4
