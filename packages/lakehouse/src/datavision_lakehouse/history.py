"""The loads of a lakehouse, and the snapshots between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import duckdb

from datavision_lakehouse.errors import UnknownLoad
from datavision_lakehouse.postgres import sql_text

LOAD_AUTHOR: Final = "ingesta"
"""Commits of this author are loads; their message is the load id."""


@dataclass(frozen=True)
class Snapshot:
    """One committed state of the lakehouse; `load_id` is set when a load made it."""

    number: int
    taken_at: datetime
    load_id: str | None


def mark_load(connection: duckdb.DuckDBPyConnection, load_id: str) -> None:
    """Record the load id in the open transaction's commit."""
    connection.execute(f"CALL lake.set_commit_message({sql_text(LOAD_AUTHOR)}, {sql_text(load_id)})")


def snapshots(connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
    """Return every snapshot that has not expired, oldest first."""
    # A literal, not a parameter: binding one makes DuckDB import pandas where it is installed (0.6 s).
    rows = connection.execute(
        f"SELECT snapshot_id, epoch_us(snapshot_time), CASE WHEN author = '{LOAD_AUTHOR}' THEN commit_message END "
        "FROM lake.snapshots() ORDER BY snapshot_id"
    ).fetchall()
    return [Snapshot(number, datetime.fromtimestamp(micros / 1_000_000, UTC), load) for number, micros, load in rows]


def find_snapshot(history: Sequence[Snapshot], at: str | int) -> int:
    """Return the snapshot in `history` (oldest first) that `at` refers to.

    A number is a snapshot. A moment is the newest snapshot not after it; without a zone it is UTC. A load id is the
    last snapshot before the next load: the load itself and everything derived from it.

    Raises:
        UnknownLoad: It refers to none; the text says what is valid.
    """
    text = str(at).strip()
    if text.isdigit():
        if any(snapshot.number == int(text) for snapshot in history):
            return int(text)
    elif (moment := _moment(text)) is not None:
        earlier = [snapshot.number for snapshot in history if snapshot.taken_at <= moment]
        if earlier:
            return earlier[-1]
    elif (found := _end_of_load(history, text)) is not None:
        return found
    raise UnknownLoad(f"No state of the lakehouse matches {text!r}. {_valid(history)}")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _end_of_load(history: Sequence[Snapshot], load_id: str) -> int | None:
    found: int | None = None
    for snapshot in history:
        if snapshot.load_id == load_id:
            found = snapshot.number
        elif found is not None:
            if snapshot.load_id is not None:
                break
            found = snapshot.number
    return found


def _valid(history: Sequence[Snapshot]) -> str:
    if not history:
        return "It has no snapshot yet: run the daily pipeline first."
    loads = [snapshot.load_id for snapshot in history if snapshot.load_id is not None][-3:]
    named = f", or a load id (newest: {', '.join(reversed(loads))})" if loads else ""
    return (
        f"Give a snapshot from {history[0].number} to {history[-1].number}, a moment from "
        f"{history[0].taken_at:%Y-%m-%dT%H:%M:%S%z} on{named}."
    )
