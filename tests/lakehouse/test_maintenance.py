import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import time_machine

from datavision_lakehouse import LakehouseSettings, UnknownLoad, connect
from datavision_lakehouse.history import Snapshot, mark_load
from datavision_lakehouse.maintenance import maintain, snapshots_to_expire

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def _history(*ages_and_loads: tuple[int, str | None]) -> list[Snapshot]:
    return [Snapshot(n, NOW - timedelta(days=age), load) for n, (age, load) in enumerate(ages_and_loads)]


def test_young_snapshots_are_kept() -> None:
    assert snapshots_to_expire(_history((3, None), (2, "a"), (1, None)), NOW, 30, 1) == []


def test_the_newest_snapshot_is_kept_however_old() -> None:
    assert snapshots_to_expire(_history((900, None), (800, None)), NOW, 30, 1) == [0]


def test_commit_and_last_state_of_each_of_the_newest_loads_are_kept_however_old() -> None:
    history = _history((99, None), (98, "a"), (97, None), (96, "b"), (95, None), (94, None), (93, "c"), (2, None))
    assert snapshots_to_expire(history, NOW, 30, 2) == [0, 1, 2, 4]
    assert snapshots_to_expire(history, NOW, 30, 3) == [0, 4]


def test_an_empty_history_has_nothing_to_expire() -> None:
    assert snapshots_to_expire([], NOW, 30, 1) == []


def _load(lake: duckdb.DuckDBPyConnection, number: int) -> None:
    lake.execute("BEGIN")
    lake.execute("CREATE TABLE IF NOT EXISTS t (load INTEGER, x BIGINT)")
    lake.execute(f"DELETE FROM t WHERE x % 7 = {number % 7}")
    lake.execute(f"INSERT INTO t SELECT {number}, range FROM range(500)")
    mark_load(lake, f"carga-{number}")
    lake.execute("COMMIT")


def _state(settings: LakehouseSettings, load: str) -> list[tuple[int, ...]]:
    with connect(settings, at=load) as lake:
        return lake.execute("SELECT load, count(*), sum(x) FROM t GROUP BY ALL ORDER BY ALL").fetchall()


def _parquet(settings: LakehouseSettings) -> set[Path]:
    return set(Path(settings.data_path).rglob("*.parquet"))


@pytest.mark.slow
def test_every_kept_load_reads_the_same_before_and_after_housekeeping(
    make_settings: Callable[..., LakehouseSettings],
) -> None:
    settings = make_settings(snapshot_loads=4, snapshot_days=1, cleanup_hours=1)
    later = datetime.now(UTC) + timedelta(days=3)
    with connect(settings) as lake:
        for number in range(8):
            _load(lake, number)
            lake.execute(f"INSERT INTO t VALUES ({number}, -1)")
    before = {number: _state(settings, f"carga-{number}") for number in range(4, 8)}
    files = len(_parquet(settings))
    with connect(settings) as lake:
        done = maintain(lake, settings, later)
        assert done.flushed_rows > 0
        assert done.expired_snapshots > 8
        again = maintain(lake, settings, later + timedelta(days=1))
    assert again.flushed_rows == 0
    assert {number: _state(settings, f"carga-{number}") for number in range(4, 8)} == before
    assert len(_parquet(settings)) < files + 4
    for number in range(4):
        with pytest.raises(UnknownLoad):
            _state(settings, f"carga-{number}")


def test_small_files_become_one(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t (x BIGINT)")
        for _ in range(6):
            lake.execute("INSERT INTO t SELECT range FROM range(100)")
        assert maintain(lake, settings).merged_files == 6
        assert lake.execute("SELECT file_count FROM ducklake_table_info('lake')").fetchall() == [(1,)]
        assert lake.execute("SELECT count(*), sum(x) FROM t").fetchall() == [(600, 6 * 4950)]


def test_a_large_file_is_not_written_again_for_a_few_more_rows(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT range AS x, md5(range::VARCHAR) AS y FROM range(1_000_000)")
        large = _parquet(settings)
        for _ in range(2):
            lake.execute("INSERT INTO t SELECT range, 'y' FROM range(100)")
        assert maintain(lake, settings).merged_files == 2
        used = {
            Path(name) for (name,) in lake.execute("SELECT data_file FROM ducklake_list_files('lake', 't')").fetchall()
        }
        assert len(used) == 2
        assert large < used


def test_files_of_expired_snapshots_go_only_after_the_delay(make_settings: Callable[..., LakehouseSettings]) -> None:
    settings = make_settings(snapshot_days=1, cleanup_hours=72, snapshot_loads=1)
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT range AS x FROM range(1000)")
        old = _parquet(settings)
        lake.execute("CREATE OR REPLACE TABLE t AS SELECT range AS x FROM range(10, 1000)")
        # DuckLake notes the moment of expiry by its own clock: two days on, the delay of three has not passed.
        lake.execute("CALL ducklake_expire_snapshots('lake', versions => [0, 1])").fetchall()
        early = maintain(lake, settings, datetime.now(UTC) + timedelta(days=2))
        assert early.removed_files == 0
        assert old <= _parquet(settings)
        late = maintain(lake, settings, datetime.now(UTC) + timedelta(days=4))
        assert late.removed_files == len(old) == 1
        assert old & _parquet(settings) == set()
        assert lake.execute("SELECT count(*) FROM t").fetchall() == [(990,)]


def _replace(lake: duckdb.DuckDBPyConnection, number: int) -> None:
    lake.execute("BEGIN")
    lake.execute(f"CREATE OR REPLACE TABLE t AS SELECT {number} AS load, range AS x FROM range(500)")
    mark_load(lake, f"carga-{number}")
    lake.execute("COMMIT")


@pytest.mark.parametrize("write", [_load, _replace])
def test_a_reader_that_began_before_housekeeping_ends_undisturbed(
    make_settings: Callable[..., LakehouseSettings], write: Callable[[duckdb.DuckDBPyConnection, int], None]
) -> None:
    settings = make_settings(snapshot_days=1, snapshot_loads=1, cleanup_hours=72, inline_rows=0)
    with connect(settings) as lake:
        write(lake, 0)
        before = _state(settings, "carga-0")
        with connect(settings, at="carga-0") as reader:
            # Its transaction has a snapshot, but none of the files yet, which DuckDB would keep in memory.
            reader.execute("BEGIN")
            reader.execute("SELECT load FROM t LIMIT 0")
            write(lake, 1)
            maintain(lake, settings, datetime.now(UTC) + timedelta(days=2))
            assert reader.execute("SELECT load, count(*), sum(x) FROM t GROUP BY ALL ORDER BY ALL").fetchall() == before
        assert maintain(lake, settings, datetime.now(UTC) + timedelta(days=5)).expired_snapshots > 0


def test_a_state_about_to_expire_is_not_opened_any_more(make_settings: Callable[..., LakehouseSettings]) -> None:
    settings = make_settings(snapshot_days=1, snapshot_loads=1)
    with connect(settings) as lake:
        _load(lake, 0)
        _load(lake, 1)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=True):
        with pytest.raises(UnknownLoad, match=r"'carga-0' is no longer kept: those of the last 1 days are"):
            connect(settings, at="carga-0")
        connect(settings, at="carga-1").close()


def test_files_of_a_load_that_died_are_removed_but_not_those_of_one_under_way(
    make_settings: Callable[..., LakehouseSettings],
) -> None:
    settings = make_settings(cleanup_hours=1)
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT range AS x FROM range(1000)")
    (known,) = _parquet(settings)
    dead, young = known.with_name("dead.parquet"), known.with_name("young.parquet")
    for file in (dead, young):
        file.write_bytes(known.read_bytes())
    hours_ago = time.time() - 10 * 3600
    os.utime(dead, (hours_ago, hours_ago))
    with connect(settings) as lake:
        assert maintain(lake, settings).removed_files == 1
    assert _parquet(settings) == {known, young}


def test_what_was_done_is_one_readable_line(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT 1 AS x")
        assert str(maintain(lake, settings)).startswith("housekeeping: 1 inlined rows flushed, 0 files merged")
