"""`datavision audit` and `datavision cost`: what ran, and what it cost."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from datavision.aws import Cloud, client
from datavision.business_day import day_of
from datavision.cli.connect import environment
from datavision.cli.options import AsJson, Env
from datavision.cli.output import fail, out, step
from datavision.cli.tables import show_table
from datavision.config import Config
from datavision.errors import UserError
from datavision.fargate.attempt.accounting import IDLE, RUNNING
from datavision.fargate.edge.ecs_tasks import described
from datavision.fargate.identity import started_by
from datavision.fargate.outcome.audit import AuditRecord, read_days
from datavision.fargate.outcome.classify import Outcome
from datavision.spending import By, Spent, spent, total

_DAYS = 7
_DATE = ["%Y-%m-%d"]

Pipeline = Annotated[str | None, typer.Argument(help="DAG id; all of them if not given.", show_default=False)]
Since = Annotated[
    datetime | None, typer.Option(formats=_DATE, help="First business day of the runs.", show_default=False)
]
Until = Annotated[datetime | None, typer.Option(formats=_DATE, help="Last business day.", show_default="today")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values, with a line of names.")]


def audit(
    env: Env,
    pipeline: Pipeline = None,
    since: Since = None,
    until: Until = None,
    run: Annotated[str | None, typer.Option(help="Only this run.", metavar="RUN_ID")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task.", metavar="TASK_ID")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only launches that ended so, e.g. success, or 'out of memory'.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Also look for containers in ECS that have no record (exit code 1).")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show every launch of the last seven days: who asked for it, what ran, from which image, how it ended.

    Example: datavision audit pipeline_fact_rfm --since 2026-07-01 --env prod --csv > lanzamientos.csv
    """
    known = (RUNNING, IDLE, *(ending.value for ending in Outcome))
    if outcome is not None and outcome not in known:
        raise UserError(f"No launch ends as {outcome!r}. Ask for one of: {', '.join(known)}.")
    first, last = _days(since, until, day_of(datetime.now(UTC)) - timedelta(days=_DAYS - 1))
    with environment(env) as config:
        found = _records(config, first, last, None if check else pipeline)
        unrecorded = _unrecorded(config, found) if check else []
    wanted = {"pipeline": pipeline, "run_id": run, "task_id": task, "outcome": outcome}
    found = [record for record in found if all(value in (None, getattr(record, n)) for n, value in wanted.items())]
    if as_json:
        out.print_json(json.dumps([record.model_dump(mode="json") for record in found]))
    elif as_csv:
        _write_csv(_COLUMNS, map(_launch, found))
    else:
        shown = ("launched", "task", "run", "release", "size", "seconds", "cost $", "outcome")
        show_table(f"{env}, {first} to {last}", shown, [_shown(record) for record in found], right=shown[5:7])
        if not found:
            step(f"nothing was launched from {first} to {last}")
    for arn in unrecorded:
        fail(f"{arn} has no record: it was not launched by a task of Airflow, or its record was deleted.")
    if unrecorded:
        raise typer.Exit(1)


def cost(
    env: Env,
    pipeline: Pipeline = None,
    by: Annotated[By, typer.Option(help="What to take sums over.")] = By.PIPELINE,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what containers cost on Fargate in this month, or since another day.

    Example: datavision cost --by month --since 2026-01-01 --env prod
    """
    first, last = _days(since, until, day_of(datetime.now(UTC)).replace(day=1))
    with environment(env) as config:
        found, budget = _records(config, first, last, pipeline), config.alerts.monthly_budget_usd
    sums = spent(found, by)
    if as_json:
        out.print_json(json.dumps([asdict(item) for item in sums]))
        return
    if as_csv:
        _write_csv(tuple(Spent.__dataclass_fields__), map(asdict, sums))
        return
    columns = (by.value, "runs", "launches", "failed", "vCPU hours", "GB hours", "cost $", "of failures $", "unknown")
    rows = [_sum(item) for item in sums]
    if len(rows) > 1:
        rows.append(_sum(total("all", found)))
    show_table(f"{env}, {first} to {last}", columns, rows, right=columns[1:])
    if budget and pipeline is None and first == last.replace(day=1):
        step(f"{total('month', found).cost_usd:.2f} of a budget of {budget:.2f} $ for {last:%B %Y}")
    if not found:
        step(f"nothing was launched from {first} to {last}")


def _days(since: datetime | None, until: datetime | None, default: date) -> tuple[date, date]:
    last = until.date() if until else day_of(datetime.now(UTC))
    first = since.date() if since else min(default, last)
    if first > last:
        raise UserError(f"--since {first} is after --until {last}. Exchange them.")
    return first, last


def _records(config: Config, first: date, last: date, pipeline: str | None) -> list[AuditRecord]:
    return read_days(Cloud.of(config), config.storage.audit_bucket, config.env, first, last, pipeline)


def _unrecorded(config: Config, records: Iterable[AuditRecord]) -> list[str]:
    """Return the tasks that ECS still knows (it forgets them an hour after they stop), and none of `records` names."""
    recorded = {record.task_arn for record in records}
    ecs = client(Cloud.of(config), "ecs")
    tasks = [
        task
        for status in ("RUNNING", "STOPPED")
        for task in described(ecs, config.ecs.cluster, desiredStatus=status)
        if task.get("startedBy") == started_by(config.env)
    ]
    return sorted(str(task["taskArn"]) for task in tasks if task["taskArn"] not in recorded)


def _launch(record: AuditRecord) -> dict[str, Any]:
    """Return one launch flat; times are ISO 8601 in UTC."""
    return {
        **{name: getattr(record, name) for name in _PLAIN},
        "launched_at": _iso(record.launched_at),
        "started_at": _iso(record.started_at),
        "stopped_at": _iso(record.stopped_at),
        "command": json.dumps(record.command, ensure_ascii=False),
        "params": json.dumps(record.params, ensure_ascii=False, sort_keys=True),
        "peak_mib": record.peak_mib,
        "rows": sum(record.rows.values()) if record.rows else None,
    }


_PLAIN = (
    *("env", "pipeline", "run_id", "run_date", "run_type", "triggered_by", "task_id", "map_index", "try_number"),
    *("launch", "shared", "module", "release", "image", "tag", "digest", "reported_digest", "task_definition"),
    *("task_arn", "cpu", "memory", "why_size", "capacity", "subnet", "outcome", "stop_code", "reason", "exit_code"),
    *("seconds", "cost_usd"),
)
_COLUMNS = (*_PLAIN, "launched_at", "started_at", "stopped_at", "command", "params", "peak_mib", "rows")


def _write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _shown(record: AuditRecord) -> tuple[str, ...]:
    again = (
        f" (try {record.try_number}, launch {record.launch})" if (record.try_number, record.launch) != (1, 1) else ""
    )
    return (
        _iso(record.launched_at) or "",
        f"{record.pipeline}.{record.key.label}{again}",
        f"{record.run_id} by {record.triggered_by}" if record.triggered_by else record.run_id,
        record.release,
        f"{record.cpu}/{record.memory}",
        "" if record.seconds is None else f"{record.seconds:.0f}",
        "" if record.cost_usd is None else f"{record.cost_usd:.5f}",
        record.outcome,
    )


def _sum(item: Spent) -> tuple[str, ...]:
    return (
        *(item.name, str(item.runs), str(item.launches), str(item.failed)),
        *(f"{item.vcpu_hours:.4f}", f"{item.gb_hours:.4f}", f"{item.cost_usd:.4f}", f"{item.wasted_usd:.4f}"),
        str(item.unknown),
    )


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
