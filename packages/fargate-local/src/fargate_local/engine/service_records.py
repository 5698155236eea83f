"""The records of services, as DescribeServices shows them, in SQLite: in a file, or in memory."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fargate_local.engine.database import open_database

SCHEMA = """
create table if not exists services (
    arn text primary key,
    cluster text not null,
    status text not null,
    ended_at real,
    body text not null,
    tags text not null,
    notes text not null
);
"""


@dataclass(slots=True)
class ServiceRecord:
    """One service."""

    body: dict[str, Any]
    """What DescribeServices answers."""
    tags: list[dict[str, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """What the scheduler remembers besides: ``good`` (the last deployment that was completed), ``failures`` (tasks in a
    row that could not stay), ``not_before`` (when the next may start), ``steady``, ``given_up_at`` (when the circuit
    breaker last did), ``request`` (what created it)."""

    @property
    def arn(self) -> str:
        """Its ARN."""
        arn: str = self.body["serviceArn"]
        return arn

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.body["serviceName"]
        return name

    @property
    def primary(self) -> dict[str, Any]:
        """The deployment that it is moving to, or has reached."""
        found: dict[str, Any] = self.body["deployments"][0]
        return found


class ServiceRecords:
    """Service records by ARN. Whoever reads one to change it holds ``lock`` until it is saved."""

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self._db = open_database(path, SCHEMA, "services")
        self._saved: dict[str, str] = dict(self._db.execute("select arn, body from services").fetchall())

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._db.close()

    def save(self, record: ServiceRecord, ended_at: float | None = None) -> None:
        """Store a service; `ended_at` is when it became INACTIVE."""
        body = record.body
        values = (body["serviceArn"], body["clusterArn"], body["status"], ended_at)
        texts = (json.dumps(body), json.dumps(record.tags), json.dumps(record.notes))
        with self.lock:
            self._db.execute("insert or replace into services values (?, ?, ?, ?, ?, ?, ?)", (*values, *texts))
            self._saved[record.arn] = texts[0]

    def find(self, arn: str) -> ServiceRecord | None:
        """Return a service, INACTIVE ones included."""
        with self.lock:
            row = self._db.execute("select body, tags, notes from services where arn = ?", (arn,)).fetchone()
        return of_row(row) if row else None

    def as_saved(self, arn: str) -> dict[str, Any] | None:
        """Return what DescribeServices answers of a service, without ``lock``: moto may ask in the middle of a call."""
        text = self._saved.get(arn)
        return dict(json.loads(text)) if text else None

    def alive(self, cluster: str | None = None) -> list[ServiceRecord]:
        """Return the services that are ACTIVE or DRAINING, by ARN; of one cluster or of all."""
        with self.lock:
            rows = self._db.execute(
                "select body, tags, notes from services where status != 'INACTIVE' and cluster = coalesce(?, cluster)"
                " order by arn",
                (cluster,),
            ).fetchall()
        return [of_row(row) for row in rows]

    def expire(self, ended_before: float) -> None:
        """Delete what ECS would have forgotten by now."""
        with self.lock:
            gone = self._db.execute("delete from services where ended_at < ? returning arn", (ended_before,)).fetchall()
            for (arn,) in gone:
                self._saved.pop(arn, None)


def of_row(row: tuple[str, str, str]) -> ServiceRecord:
    """Return a row as a record."""
    body, tags, notes = map(json.loads, row)
    return ServiceRecord(body, tags, notes)
