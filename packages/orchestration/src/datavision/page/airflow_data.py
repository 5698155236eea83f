"""What Airflow's database knows of pipelines and their runs."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from airflow.configuration import conf
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.deadline import Deadline
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from datavision.airflow_api import BegunRun
from datavision.page.model import OPEN, Pipeline, Run, Task

_PREFIX = "pipeline_"
_NOT_CREATED_GRACE = timedelta(minutes=5)
"""A busy scheduler creates a run a little after its time."""


def pipelines(session: Session, readable: Collection[str], now: datetime) -> list[Pipeline]:
    """Return the pipelines among `readable`, by name."""
    scheduling = conf.getboolean("scheduler", "use_job_schedule")
    query = select(DagModel).where(
        DagModel.dag_id.startswith(_PREFIX, autoescape=True),
        DagModel.dag_id.in_(readable),
        DagModel.is_stale.is_(False),
    )
    return [_pipeline(dag, now, scheduling=scheduling) for dag in session.scalars(query.order_by(DagModel.dag_id))]


def _pipeline(dag: DagModel, now: datetime, *, scheduling: bool) -> Pipeline:
    due = dag.next_dagrun_create_after if scheduling and not dag.is_paused else None
    waits = bool(dag.exceeds_max_non_backfill)  # for the run before it
    overdue = due is not None and not waits and now - due > _NOT_CREATED_GRACE
    scheduled = dag.timetable_type and "NullTimetable" not in dag.timetable_type
    return Pipeline(dag.dag_id, bool(dag.is_paused), dag.timetable_summary if scheduled else None, due, overdue)


def last_runs(session: Session, dag_id: str, limit: int, before: datetime | None = None) -> list[Run]:
    """Return the newest runs of a pipeline, newest first; `before`: only those that were due earlier."""
    query = select(DagRun).where(DagRun.dag_id == dag_id)
    if before is not None:
        query = query.where(DagRun.run_after < before)
    return [
        _run(row) for row in session.scalars(query.order_by(DagRun.run_after.desc(), DagRun.id.desc()).limit(limit))
    ]


def one_run(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return a run, or None when there is none of that name."""
    found = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return _run(found) if found else None


def last_success(session: Session, dag_id: str) -> datetime | None:
    """Return when the newest successful run began: what it read is at least as new."""
    query = select(func.max(DagRun.start_date)).where(DagRun.dag_id == dag_id, DagRun.state == "success")
    return session.scalar(query)


def missed_deadline(session: Session, dag_id: str, now: datetime) -> datetime | None:
    """Return the deadline that the newest run with one has missed, if it still has not succeeded."""
    query = (
        select(Deadline.deadline_time, DagRun.state)
        .join(DagRun, Deadline.dagrun_id == DagRun.id)
        .where(DagRun.dag_id == dag_id)
        .order_by(DagRun.run_after.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return row[0] if row and row[1] != "success" and row[0] < now else None


def tasks(session: Session, dag_id: str, run_id: str) -> list[Task]:
    """Return the task instances of a run in the order in which they began; those that have not, last."""
    query = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    found = [
        Task(row.task_id, row.map_index, row.state, row.try_number, row.queued_dttm, row.start_date, row.end_date)
        for row in session.scalars(query)
    ]
    return sorted(found, key=lambda task: (task.start is None, task.start or datetime.max, task.task_id))


def begun_runs(session: Session) -> list[BegunRun]:
    """Return the runs of all DAGs that are queued or running."""
    rows: Iterable[DagRun] = session.scalars(select(DagRun).where(DagRun.state.in_(OPEN)))
    return [BegunRun(row.dag_id, row.run_id, row.bundle_version, _conf(row)) for row in rows]


def _run(row: DagRun) -> Run:
    return Run(
        dag_id=row.dag_id,
        run_id=row.run_id,
        state=str(row.state),
        kind=str(row.run_type),
        run_after=row.run_after,
        queued=row.queued_at,
        start=row.start_date,
        end=row.end_date,
        asked_release=str(_conf(row).get("release") or "").removeprefix("v") or None,
        bundle_version=row.bundle_version,
        user=row.triggering_user_name,
    )


def _conf(row: DagRun) -> dict[str, Any]:
    return row.conf if isinstance(row.conf, dict) else {}
