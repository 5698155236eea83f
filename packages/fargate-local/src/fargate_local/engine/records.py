"""The records of tasks, as DescribeTasks shows them, in SQLite: in a file, or in memory when nothing has to be kept."""

import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fargate_local.engine.database import open_database

SCHEMA = """
create table if not exists tasks (
    seq integer primary key,
    arn text not null unique,
    cluster text not null,
    family text not null,
    group_name text not null,
    started_by text,
    launch_type text,
    desired_status text not null,
    last_status text not null,
    stopped_at real,
    body text not null,
    tags text not null
);
create index if not exists tasks_listed on tasks (cluster, desired_status, seq);
create index if not exists tasks_stopped on tasks (stopped_at) where stopped_at is not null;
create table if not exists tokens (
    token text primary key,
    request text not null,
    arns text not null,
    created_at real not null
);
create table if not exists processes (
    container text primary key,
    pid integer not null,
    ticks integer not null
);
"""
TOKEN_LIFE = 24 * 3600.0


class Records:
    """Task records by ARN, clientTokens, and the processes that are running. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._db = open_database(path, SCHEMA, "tasks")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def save(self, body: dict[str, Any], tags: Sequence[dict[str, str]] | None = None) -> None:
        """Store what a task looks like now. `tags` are stored with a new task and kept afterwards."""
        values = {
            "arn": body["taskArn"],
            "cluster": body["clusterArn"],
            "family": body["taskDefinitionArn"].rsplit("/", 1)[-1].rpartition(":")[0],
            "group_name": body["group"],
            "started_by": body.get("startedBy"),
            "launch_type": body.get("launchType"),
            "desired_status": body["desiredStatus"],
            "last_status": body["lastStatus"],
            "stopped_at": body.get("stoppedAt"),
            "body": json.dumps(body, separators=(",", ":")),
            "tags": json.dumps(list(tags or ())),
        }
        with self._lock:
            self._db.execute(
                "insert into tasks (arn, cluster, family, group_name, started_by, launch_type, desired_status,"
                " last_status, stopped_at, body, tags) values (:arn, :cluster, :family, :group_name, :started_by,"
                " :launch_type, :desired_status, :last_status, :stopped_at, :body, :tags)"
                " on conflict (arn) do update set desired_status = excluded.desired_status,"
                " last_status = excluded.last_status, stopped_at = excluded.stopped_at, body = excluded.body",
                values,
            )

    def find(self, arns: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Return the (body, tags) as JSON text of those tasks that are known, by ARN."""
        marks = ",".join("?" * len(arns))
        with self._lock:
            rows = self._db.execute(
                f"select arn, body, tags from tasks where arn in ({marks})",  # noqa: S608 - question marks only
                list(arns),
            ).fetchall()
        return {arn: (body, tags) for arn, body, tags in rows}

    def body(self, arn: str) -> dict[str, Any] | None:
        """Return one task as data."""
        found = self.find([arn])
        return json.loads(found[arn][0]) if arn in found else None

    def set_tags(self, arn: str, tags: Sequence[dict[str, str]]) -> None:
        """Replace the tags of a task."""
        with self._lock:
            self._db.execute("update tasks set tags = ? where arn = ?", (json.dumps(list(tags)), arn))

    def listed(self, cluster: str, filters: dict[str, str | None], after: int, limit: int) -> list[tuple[int, str]]:
        """Return the (position, ARN) of tasks that match all filters, in the order they were created."""
        clauses, values = ["cluster = ?", "seq > ?"], [cluster, after]
        for column, value in filters.items():
            if value is not None:
                clauses.append(f"{column} = ?")
                values.append(value)
        query = f"select seq, arn from tasks where {' and '.join(clauses)} order by seq limit ?"  # noqa: S608 - clauses from above only
        with self._lock:
            return self._db.execute(query, [*values, limit]).fetchall()

    def counts(self, cluster: str) -> dict[str, int]:
        """Return how many unfinished tasks of a cluster are in each state."""
        with self._lock:
            rows = self._db.execute(
                "select last_status, count(*) from tasks where cluster = ? and stopped_at is null group by last_status",
                (cluster,),
            ).fetchall()
        return dict(rows)

    def newest(self, cluster: str, desired: str, search: str, before: int | None, limit: int) -> list[tuple[int, str]]:
        """Return the (position, body as JSON text) of a cluster's tasks, the newest first.

        `desired` is their desired status, `search` a part of an id, a family or of who started them; `before` is a
        position that they come before.
        """
        clauses = ["cluster = ?", "desired_status = ?"]
        values: list[str | int] = [cluster, desired]
        if before is not None:
            clauses.append("seq < ?")
            values.append(before)
        if search:
            clauses.append("instr(arn || ' ' || family || ' ' || coalesce(started_by, ''), ?) > 0")
            values.append(search)
        query = f"select seq, body from tasks where {' and '.join(clauses)} order by seq desc limit ?"  # noqa: S608 - clauses from above only
        with self._lock:
            return self._db.execute(query, [*values, limit]).fetchall()

    def tally(self, cluster: str) -> dict[str, int]:
        """Return how many tasks of a cluster are in each state; those that are to stop count as STOPPED."""
        with self._lock:
            rows = self._db.execute(
                "select last_status, count(*) from tasks where cluster = ? and desired_status = 'RUNNING'"
                " group by last_status union all"
                " select 'STOPPED', count(*) from tasks where cluster = ? and desired_status = 'STOPPED'",
                (cluster, cluster),
            ).fetchall()
        return dict(rows)

    def unfinished(self) -> list[dict[str, Any]]:
        """Return every task that has not reached STOPPED."""
        with self._lock:
            rows = self._db.execute("select body from tasks where last_status != 'STOPPED'").fetchall()
        return [json.loads(body) for (body,) in rows]

    def expire(self, stopped_before: float, tokens_before: float) -> None:
        """Delete what ECS would have forgotten by now."""
        with self._lock:
            self._db.execute("delete from tasks where stopped_at < ?", (stopped_before,))
            self._db.execute("delete from tokens where created_at < ?", (tokens_before,))

    def token(self, token: str) -> tuple[str, list[str]] | None:
        """Return the (request, task ARNs) that a clientToken was used for, or None."""
        with self._lock:
            row = self._db.execute("select request, arns from tokens where token = ?", (token,)).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def save_token(self, token: str, request: str, arns: Iterable[str], now: float) -> None:
        """Remember what a clientToken created."""
        with self._lock:
            self._db.execute("insert into tokens values (?, ?, ?, ?)", (token, request, json.dumps(list(arns)), now))

    def process_started(self, container: str, pid: int, ticks: int) -> None:
        """Remember a process group, so that the next start can kill it if this server dies."""
        with self._lock:
            self._db.execute("insert or replace into processes values (?, ?, ?)", (container, pid, ticks))

    def process_ended(self, container: str) -> None:
        """Forget a process group."""
        with self._lock:
            self._db.execute("delete from processes where container = ?", (container,))

    def processes(self) -> list[tuple[str, int, int]]:
        """Return the (container, pid, start time in clock ticks) of processes not known to have ended."""
        with self._lock:
            return self._db.execute("select container, pid, ticks from processes").fetchall()
