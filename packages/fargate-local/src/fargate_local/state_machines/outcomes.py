"""How executions ended, in SQLite: in a file, or in memory."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fargate_local.engine.database import open_database

SCHEMA = """
create table if not exists executions (
    arn text primary key,
    status text not null,
    stopped_at text not null,
    output text not null,
    error text,
    cause text
);
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended; `status` is DescribeExecution's."""

    status: str
    stopped_at: datetime
    output: Any = None
    error: str | None = None
    cause: str | None = None


class Outcomes:
    """The outcomes of executions by ARN: moto's journal holds only that they were started."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._db = open_database(path, SCHEMA, "executions")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def save(self, arn: str, outcome: Outcome) -> None:
        """Store how an execution ended."""
        values = (arn, outcome.status, outcome.stopped_at.isoformat(), json.dumps(outcome.output, default=str))
        with self._lock:
            self._db.execute(
                "insert or replace into executions values (?, ?, ?, ?, ?, ?)", (*values, outcome.error, outcome.cause)
            )

    def find(self, arn: str) -> Outcome | None:
        """Return how an execution ended, None if nobody saw its end."""
        with self._lock:
            row = self._db.execute(
                "select status, stopped_at, output, error, cause from executions where arn = ?", (arn,)
            ).fetchone()
        if row is None:
            return None
        status, stopped_at, output, error, cause = row
        return Outcome(status, datetime.fromisoformat(stopped_at), json.loads(output), error, cause)
