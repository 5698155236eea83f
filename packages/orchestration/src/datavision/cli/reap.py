"""`datavision reap`: stops containers whose Airflow task is gone."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from datavision.airflow_api import AirflowApi
from datavision.cli.connect import remote_airflow
from datavision.cli.options import Env
from datavision.cli.output import out, step
from datavision.cli.tables import show_table
from datavision.config import Config, load
from datavision.environment import runs_here
from datavision.errors import UserError
from datavision.reap import GRACE_SECONDS, NamedStates, Reaped
from datavision.reap import reap as stop_leftovers


def reap(
    env: Env,
    grace: Annotated[
        float, typer.Option(help="Leave containers alone that are younger than this, in seconds.")
    ] = GRACE_SECONDS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be stopped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Stop containers whose Airflow task is no longer alive; show how long they ran and what that cost.

    Example: datavision reap --dry-run
    """
    config, session = _airflow(env)
    with session as api:
        found = stop_leftovers(config, lambda dag, run: _states(api, dag, run), dry_run=dry_run, grace_seconds=grace)
    if as_json:
        out.print_json(json.dumps([asdict(item) for item in found]))
        return
    columns = ("task", "run", "why", "seconds", "cost $", "container")
    show_table("would be stopped" if dry_run else "stopped", columns, [_row(item) for item in found], columns[3:5])
    if not found:
        step("nothing to stop: every container has its task")


def _airflow(env: str) -> tuple[Config, AirflowApi]:
    if not runs_here(env):
        config = load(env)
        return config, remote_airflow(config)
    from datavision.local.stack import running_stack

    stack = running_stack()
    if stack is None or stack.airflow_url is None:
        raise UserError("No local stack is running, so there is nothing to reap. Start it with `datavision up`.")
    return stack.config, AirflowApi(stack.airflow_url, password=stack.airflow_password)


def _states(api: AirflowApi, dag_id: str, run_id: str) -> NamedStates:
    tasks = api.tasks(dag_id, run_id) if api.has_run(dag_id, run_id) else []
    named = {task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}": task.state for task in tasks}
    return NamedStates(named)


def _row(item: Reaped) -> tuple[str, ...]:
    container = item.arn.rsplit("/", 1)[-1]
    return item.task, item.run_id, item.why, f"{item.seconds:.0f}", f"{item.cost_usd:.4f}", container
