"""SQLite for what outlives the process."""

import sqlite3
from pathlib import Path

from fargate_local.state import StateError


def open_database(path: Path | None, schema: str, holds: str) -> sqlite3.Connection:
    """Return a connection for any thread, to a file of this user alone, or to memory without one.

    Args:
        path: The file; it is made if it is missing.
        schema: What makes its tables where they are missing.
        holds: What the file holds, for the message.

    Raises:
        StateError: The file is not such a database.
    """
    if path:
        # SQLite gives its other files the mode of this one.
        path.touch(mode=0o600)
        path.chmod(0o600)
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        # A crash of this process loses nothing that was written; only a power cut could.
        connection.execute("pragma synchronous = off")
        connection.executescript(schema)
    except sqlite3.DatabaseError as error:
        message = (
            f"cannot read the {holds} in {path} ({error}): put back a copy of the folder, remove that file to go on"
            f" without its {holds}, or give another --state-dir"
        )
        raise StateError(message) from error
    return connection
