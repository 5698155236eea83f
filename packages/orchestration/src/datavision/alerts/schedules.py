"""When each DAG is due, read from the DAG files as text: who looks after Airflow needs neither it nor its database."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter

from datavision.business_day import ZONE

_WATCHED = ("pipeline_", "ensayo_")
"""DAGs that launch containers, whose records tell that they ran."""


def schedules_of(folder: Path) -> dict[str, str]:
    """Return DAG id → cron expression, of the DAGs in a `dags/` folder that launch containers by a schedule.

    A DAG is a function under `@dag(schedule=cron("…"))`.
    """
    files = (path for path in sorted(folder.glob("*.py")) if path.stem.startswith(_WATCHED))
    found = (schedule for path in files for schedule in _schedules(ast.parse(path.read_text(encoding="utf-8"))))
    return dict(found)


def last_due(expression: str, now: datetime) -> datetime:
    """Return the last time in UTC, `now` included, at which a schedule in the business's time zone was due."""
    moment = now.astimezone(ZoneInfo(ZONE)) + timedelta(seconds=1)
    due: datetime = croniter(expression, moment).get_prev(datetime)
    return due.astimezone(UTC)


def _schedules(tree: ast.Module) -> list[tuple[str, str]]:
    return [
        (function.name, str(keyword.value.args[0].value))
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dag"
        for keyword in decorator.keywords
        if keyword.arg == "schedule" and isinstance(keyword.value, ast.Call)
        if ast.unparse(keyword.value.func) == "cron" and isinstance(keyword.value.args[0], ast.Constant)
    ]
