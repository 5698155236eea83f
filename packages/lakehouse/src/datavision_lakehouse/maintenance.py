"""Housekeeping: few and large files, a bounded history, and nothing removed that anyone still needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from datavision_lakehouse.history import Snapshot, snapshots
from datavision_lakehouse.settings import LakehouseSettings

_ORPHAN_FACTOR: Final = 3
"""Files that no commit refers to are kept this many times longer: a long load may be about to commit them."""

_SMALL_FILE_BYTES: Final = 32 * 2**20
"""Smaller files are merged. Larger ones are not written again for the few rows that a load adds to them."""


@dataclass(frozen=True)
class Housekeeping:
    """What was done."""

    flushed_rows: int
    merged_files: int
    expired_snapshots: int
    removed_files: int

    def __str__(self) -> str:
        return (
            f"housekeeping: {self.flushed_rows} inlined rows flushed, {self.merged_files} files merged, "
            f"{self.expired_snapshots} snapshots expired, {self.removed_files} files removed"
        )


def maintain(
    connection: duckdb.DuckDBPyConnection, settings: LakehouseSettings, now: datetime | None = None
) -> Housekeeping:
    """Flush inlined rows, merge small files, rewrite mostly deleted ones, expire old snapshots, remove unused files.

    Readers are not disturbed: a snapshot expires `cleanup_hours` after it was last of those that `connect` opens, since
    DuckLake asks the catalog for a table's files only when they are read. A file is removed `cleanup_hours` after the
    last snapshot that refers to it expired.
    """
    moment = now or datetime.now(UTC)
    begun = moment - timedelta(hours=settings.cleanup_hours)
    flushed = _count(connection, "ducklake_flush_inlined_data('lake')", "rows_flushed")
    small = f"max_file_size => {_SMALL_FILE_BYTES}"
    merged = _count(connection, f"ducklake_merge_adjacent_files('lake', {small})", "files_processed")
    rewritten = _count(connection, "ducklake_rewrite_data_files('lake')", "files_processed")
    history = [snapshot for snapshot in snapshots(connection) if snapshot.taken_at <= begun]
    old = snapshots_to_expire(history, begun, settings.snapshot_days, settings.snapshot_loads)
    if old:
        versions = ", ".join(map(str, old))
        _count(connection, f"ducklake_expire_snapshots('lake', versions => [{versions}])")
    removed = 0
    for function, factor in (("ducklake_cleanup_old_files", 1), ("ducklake_delete_orphaned_files", _ORPHAN_FACTOR)):
        before = moment - timedelta(hours=settings.cleanup_hours * factor)
        removed += _count(connection, f"{function}('lake', older_than => TIMESTAMPTZ '{before.isoformat()}')")
    return Housekeeping(flushed, merged + rewritten, len(old), removed)


def snapshots_to_expire(history: Sequence[Snapshot], now: datetime, days: int, loads: int) -> list[int]:
    """Return the numbers of the snapshots in `history` (oldest first) that may expire.

    Kept are all snapshots younger than `days`, the newest one, and for each of the newest `loads` loads its commit,
    which carries its name, and its last state.
    """
    limit = now - timedelta(days=days)
    commits = [index for index, snapshot in enumerate(history) if snapshot.load_id is not None]
    ends = [index - 1 for index in commits[1:]] + [len(history) - 1]
    kept = {index for pair in list(zip(commits, ends, strict=False))[-loads:] for index in pair}
    return [
        snapshot.number
        for index, snapshot in enumerate(history[:-1])
        if snapshot.taken_at < limit and index not in kept
    ]


def _count(connection: duckdb.DuckDBPyConnection, call: str, column: str = "1") -> int:
    # Fetch all rows: DuckDB commits the call's work only once its result has been read to the end.
    return sum(int(row[0]) for row in connection.execute(f"SELECT {column} FROM {call}").fetchall())
