"""`datavision run`: pipelines to their end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datavision.airflow_api import AirflowApi
from datavision.cli.connect import images_in_flight, remote_airflow
from datavision.cli.options import Env
from datavision.cli.output import out, step
from datavision.cli.progress import RunProgress, print_outcome
from datavision.config import Config, load
from datavision.environment import runs_here
from datavision.errors import UserError
from datavision.params import own_params
from datavision.release.pins.places import repository
from datavision.run import RunOutcome, run_pipeline
from datavision.state import state_dir

if TYPE_CHECKING:
    from datavision.local.stack import RunningStack

LOAD_SECONDS = 120


def run(
    pipelines: Annotated[list[str], typer.Argument(help="DAG ids, run one after another.", metavar="PIPELINE…")],
    env: Env,
    param: Annotated[
        list[str] | None, typer.Option(help="A parameter of the run, as key=value; may be repeated.")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Use this release's images instead of the pinned ones.")] = None,
    build: Annotated[
        bool,
        typer.Option("--build", help="In local: release the working tree first (always done when nothing is pinned)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run pipelines and wait until they end; the exit code is 0 if all succeeded, else 1.

    In local the stack is started for the run and stopped after it, unless `datavision up` keeps one running.

    Example: datavision run pipeline_fact_rfm --param fecha_rfm=2026-07-01
    """
    conf = parse_params(param or [], release)
    outcomes: list[RunOutcome] = []
    with _session(env, build=build) as session:
        for pipeline in pipelines:
            session.api.wait_for_dag(pipeline, session.bundle_version, LOAD_SECONDS)
        # Check all forms before the first run: a typo in the second must not surface after an hour of the first.
        confs = own_params({pipeline: session.api.form(pipeline) for pipeline in pipelines}, conf)
        for pipeline in pipelines:
            with RunProgress(pipeline) as progress:
                outcomes.append(run_pipeline(session.api, session.config, pipeline, confs[pipeline], progress.update))
            if not as_json:
                print_outcome(outcomes[-1])
            if not outcomes[-1].succeeded:
                break
    if as_json:
        out.print_json(json.dumps([outcome.as_json() for outcome in outcomes]))
    if not outcomes[-1].succeeded:
        raise typer.Exit(1)


def parse_params(pairs: list[str], release: str | None) -> dict[str, Any]:
    """Parse key=value pairs into a run's conf; values that are JSON (true, 3, ["a"]) are parsed as such.

    Raises:
        UserError: A pair has no `=`.
    """
    conf: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UserError(f"--param {pair!r} is not key=value. Write, for example, --param fecha_rfm=2026-07-01.")
        try:
            conf[key] = json.loads(text)
        except ValueError:
            conf[key] = text
    return {**conf, "release": release} if release else conf


@dataclass(frozen=True)
class _Session:
    api: AirflowApi
    config: Config
    bundle_version: str | None
    """The commit that Airflow's DAGs must be at before a run starts; None: any."""


@contextmanager
def _session(env: str, *, build: bool) -> Iterator[_Session]:
    if not runs_here(env):
        config = load(env)
        with remote_airflow(config) as api:
            yield _Session(api, config, None)
        return
    with _stack(build=build) as stack, AirflowApi(str(stack.airflow_url), password=stack.airflow_password) as api:
        yield _Session(api, stack.config, repository(stack.config).head())


@contextmanager
def _stack(*, build: bool) -> "Iterator[RunningStack]":
    """Yield the running stack, or one that is started for the time of the block."""
    from datavision.local.stack import local_stack, running_stack
    from datavision.release.local import bundle_is_ready, release_local

    stack = running_stack()
    if stack and stack.airflow_url:
        if build:
            release_local(stack.config, step, partial(images_in_flight, stack.config))
        yield stack
        return
    with local_stack(step, release=build or not bundle_is_ready(state_dir())) as started:
        yield started
