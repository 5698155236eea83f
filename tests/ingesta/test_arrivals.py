import threading
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from datavision.local import source
from ingesta.arrivals import Abandoned, Arrivals
from ingesta.errors import LoadError
from ingesta.extract import Extract, Extractor
from ingesta.merge import Merged, Merger
from ingesta.tables import TABLES, Table

Place = Any


def test_extracts_come_in_their_order_and_again_from_the_first() -> None:
    arrivals = Arrivals()
    extracts: list[Any] = [object() for _ in range(3)]
    taken: list[Any] = []
    reader = threading.Thread(target=lambda: taken.extend(arrivals))
    with arrivals.landing():
        arrivals.add(extracts[0])
        reader.start()
        for extract in extracts[1:]:
            arrivals.add(extract)
    reader.join()
    assert taken == list(arrivals) == extracts


def test_whoever_waits_for_a_table_that_will_not_land_is_told() -> None:
    arrivals = Arrivals()
    with pytest.raises(KeyError), arrivals.landing():
        raise KeyError
    with pytest.raises(Abandoned):
        list(arrivals)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something called before each table is landed or merged."""
    extract, merge_one = Extractor.extract, Merger._merge_one

    def watch(landing: Callable[[str], None], merging: Callable[[str], None]) -> None:
        def land(self: Extractor, table: Table) -> Extract:
            landing(table.name)
            return extract(self, table)

        def merge(self: Merger, landed: Extract) -> Merged:
            merging(landed.table.name)
            return merge_one(self, landed)

        monkeypatch.setattr(Extractor, "extract", land)
        monkeypatch.setattr(Merger, "_merge_one", merge)

    return watch


def test_a_table_is_merged_while_the_next_one_lands(place: Place, watched: Callable[..., None]) -> None:
    first, begun = next(iter(TABLES)), threading.Event()

    def landing(table: str) -> None:
        if table != first:
            assert begun.wait(60), "the first table waits for the others"

    watched(landing, lambda table: begun.set())
    place.load()
    assert place.differences() == {}


def test_a_merge_that_fails_ends_the_landing(place: Place, watched: Callable[..., None]) -> None:
    first, *others = TABLES
    landed: list[str] = []
    failed = threading.Event()

    def merging(table: str) -> None:
        failed.set()
        raise duckdb.IOException("the disk is gone")

    def landing(table: str) -> None:
        landed.append(table)
        if table != first:
            failed.wait(60)

    watched(landing, merging)
    with pytest.raises(LoadError, match="the disk is gone"):
        place.load()
    assert len(landed) < len(others)
    assert place.sql("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw_datavision'") == [(0,)]


def test_a_table_that_does_not_land_undoes_what_was_merged(loaded: Place, watched: Callable[..., None]) -> None:
    *_, last = TABLES
    before = loaded.sql("SELECT max(snapshot_id) FROM lake.snapshots()")
    files = sorted(loaded.folder.joinpath("lake").rglob("*.parquet"))
    source.advance(loaded.source_url, 30)
    merged: list[str] = []
    nearly = threading.Event()

    def merging(table: str) -> None:
        merged.append(table)
        if len(merged) == len(TABLES) - 1:
            nearly.set()

    def landing(table: str) -> None:
        if table == last:
            assert nearly.wait(60)
            raise duckdb.IOException("the source is gone")

    watched(landing, merging)
    with pytest.raises(LoadError, match="the source is gone"):
        loaded.load(full_refresh=True)
    assert loaded.sql("SELECT max(snapshot_id) FROM lake.snapshots()") == before
    assert sorted(loaded.folder.joinpath("lake").rglob("*.parquet")) == files
