"""Housekeeping: few and large files, a bounded history, and nothing that anybody still needs removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from datavision_lakehouse.history import Snapshot, snapshots
from datavision_lakehouse.settings import LakehouseSettings

_ORPHAN_FACTOR: Final = 3
"""Files that no commit ever named wait this many times longer: a long load may still be about to commit them."""


@dataclass(frozen=True)
class Housekeeping:
    """What was done."""

    flushed_rows: int
    merged_files: int
    expired_snapshots: int
    removed_files: int

    def __str__(self) -> str:
        return (
            f"housekeeping: {self.flushed_rows} inlined rows flushed, {self.merged_files} small files merged, "
            f"{self.expired_snapshots} snapshots expired, {self.removed_files} files removed"
        )


def maintain(
    connection: duckdb.DuckDBPyConnection, settings: LakehouseSettings, now: datetime | None = None
) -> Housekeeping:
    """Flush inlined rows, merge small files, expire old snapshots, remove files nobody refers to any more.

    Readers of a kept snapshot are not disturbed: a file is removed `cleanup_hours` after the last snapshot that named
    it went.
    """
    moment = now or datetime.now(UTC)
    flushed = _number(connection, "SELECT coalesce(sum(rows_flushed), 0) FROM ducklake_flush_inlined_data('lake')")
    merged = _number(connection, "SELECT coalesce(sum(files_processed), 0) FROM ducklake_merge_adjacent_files('lake')")
    old = snapshots_to_expire(snapshots(connection), moment, settings.snapshot_days, settings.snapshot_loads)
    if old:
        versions = ", ".join(map(str, old))
        connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{versions}])").fetchall()
    removed = 0
    for function, factor in (("ducklake_cleanup_old_files", 1), ("ducklake_delete_orphaned_files", _ORPHAN_FACTOR)):
        before = moment - timedelta(hours=settings.cleanup_hours * factor)
        removed += _number(
            connection, f"SELECT count(*) FROM {function}('lake', older_than => TIMESTAMPTZ '{before.isoformat()}')"
        )
    return Housekeeping(flushed, merged, len(old), removed)


def snapshots_to_expire(history: Sequence[Snapshot], now: datetime, days: int, loads: int) -> list[int]:
    """Numbers of the snapshots in `history` (oldest first) that may go.

    Kept are all younger than `days`, the newest one, and the last state of each of the newest `loads` loads.
    """
    limit = now - timedelta(days=days)
    ends = _ends_of_loads(history)
    kept = set(ends[-loads:])
    return [s.number for s in history[:-1] if s.taken_at < limit and s.number not in kept]


def _ends_of_loads(history: Sequence[Snapshot]) -> list[int]:
    ends = []
    inside = False
    for earlier, later in zip(history, [*history[1:], None], strict=True):
        inside = inside or earlier.load_id is not None
        if inside and (later is None or later.load_id is not None):
            ends.append(earlier.number)
    return ends


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
