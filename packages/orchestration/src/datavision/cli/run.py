"""`datavision run`: pipelines to their end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from datavision.airflow_api import AirflowApi
from datavision.cli.options import Env
from datavision.cli.output import out, step
from datavision.cli.progress import RunProgress, print_outcome
from datavision.config import load
from datavision.errors import ConfigError, UserError
from datavision.run import RunOutcome, run_pipeline

LOAD_SECONDS = 120
EPILOG = "Example: [bold]datavision run pipeline_fact_rfm --param fecha_rfm=2026-07-01[/]"


def run(
    pipelines: Annotated[list[str], typer.Argument(help="DAG ids, run one after the other.", metavar="PIPELINE…")],
    env: Env,
    param: Annotated[
        list[str] | None, typer.Option(help="A parameter of the run, as key=value; may be repeated.")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Run this release's images instead of the pinned ones.")] = None,
    build: Annotated[
        bool,
        typer.Option("--build", help="In local: release the working tree first (always done when nothing is pinned)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run pipelines to their end; the exit code is 0 when all succeeded, else 1.

    In local the stack is started for the run and stopped after it, unless `datavision up` keeps one running.

    Example: datavision run pipeline_fact_rfm --param fecha_rfm=2026-07-01
    """
    conf = parse_params(param or [], release)
    outcomes: list[RunOutcome] = []
    with _airflow(env, build=build) as (api, bundle_version):
        for pipeline in pipelines:
            api.wait_for_dag(pipeline, bundle_version, LOAD_SECONDS)
            with RunProgress(pipeline) as progress:
                outcomes.append(run_pipeline(api, pipeline, conf, progress.update))
            if not as_json:
                print_outcome(outcomes[-1])
            if not outcomes[-1].succeeded:
                break
    if as_json:
        out.print_json(json.dumps([asdict(outcome) for outcome in outcomes]))
    if not outcomes[-1].succeeded:
        raise typer.Exit(1)


def parse_params(pairs: list[str], release: str | None) -> dict[str, Any]:
    """Turn key=value pairs into a run's conf; values that are JSON (true, 3, ["a"]) are taken as such.

    Raises:
        UserError: a pair has no `=`.
    """
    conf: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UserError(f"--param {pair!r} is not key=value. Write for instance --param fecha_rfm=2026-07-01.")
        try:
            conf[key] = json.loads(text)
        except ValueError:
            conf[key] = text
    return {**conf, "release": release} if release else conf


@contextmanager
def _airflow(env: str, *, build: bool) -> Iterator[tuple[AirflowApi, str | None]]:
    """Yield a session with the environment's Airflow and the commit its DAGs must be at (None: any)."""
    if env != "local":
        settings = load(env).airflow
        if settings.api_url is None:
            raise ConfigError(f"config/{env}.toml has no airflow.api_url. Set it to Airflow's address.")
        with AirflowApi(settings.api_url, settings.token.get_secret_value() if settings.token else None) as api:
            yield api, None
        return
    from datavision.local.stack import local_stack, running_stack

    stack = running_stack()
    if stack and stack.airflow_url:
        with AirflowApi(stack.airflow_url) as api:
            yield api, None
        return
    with local_stack(step, release=build) as stack, AirflowApi(str(stack.airflow_url)) as api:
        yield api, stack.bundle_version
