"""`datavision rollback`, `datavision history` and `datavision diff`."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.prompt import Prompt

from datavision.cli.connect import environment
from datavision.cli.options import AsJson, Env, Push
from datavision.cli.output import err, out, step
from datavision.cli.tables import show_table
from datavision.config import Config
from datavision.release.diff import diff as compare
from datavision.release.errors import ReleaseError
from datavision.release.pins.history import PinnedVersion
from datavision.release.pins.history import history as read_history
from datavision.release.pins.places import repository, require_pinned
from datavision.release.pins.remotes import push_pins
from datavision.release.pins.runs import runs_by_release
from datavision.release.rollback import rollback as pin_back
from datavision.state import project_root

Pipeline = Annotated[str, typer.Argument(help="DAG id, or airflow where CloudFormation makes Airflow.")]


def rollback(
    pipeline: Pipeline,
    env: Env,
    to: Annotated[str | None, typer.Option(help="The version; prompted for if not given.", metavar="VERSION")] = None,
    reason: Annotated[str, typer.Option(help="Recorded in the pin and its history.")] = "",
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Pin one pipeline to an earlier version; runs in flight finish with the images they started with.

    Example: datavision rollback pipeline_fact_rfm --to 1.4.0 --env prod --reason "segmentos vacíos"
    """
    with environment(env) as config:
        version = to or _choose(config, pipeline)
        done = pin_back(config, pipeline, version, reason=reason, report=step)
        if push:
            step(f"pushed to {push_pins(config)}")
    if as_json:
        out.print_json(json.dumps({**asdict(done), "pin": done.pin.model_dump()}))
    else:
        out.print(f"{pipeline} in {env}: {done.before or 'nothing'} → {done.pin.version}")


def history(pipeline: Pipeline, env: Env, as_json: AsJson = False) -> None:
    """Show what a pipeline was pinned to: version, when, by whom, why, images, and how many runs each version had.

    Example: datavision history pipeline_suscripciones --env prod
    """
    with environment(env) as config:
        entries, runs = _history(config, pipeline), runs_by_release(config, pipeline)
    if as_json:
        rows = [
            {**entry.pin.model_dump(), "pin_commit": entry.commit, "runs": runs[entry.pin.version]} for entry in entries
        ]
        out.print_json(json.dumps(rows))
    else:
        show_table(f"{pipeline} in {env}", HISTORY, _rows(entries, runs), right=("runs",))


def diff(
    pipeline: Pipeline,
    before: Annotated[str, typer.Argument(help="A version it had.", metavar="V1")],
    after: Annotated[str, typer.Argument(help="Another one.", metavar="V2")],
    env: Env,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions: commits per module, locked dependencies, dbt models.

    Example: datavision diff pipeline_fact_rfm 1.4.0 1.5.0 --env prod
    """
    with environment(env) as config:
        found = compare(config, pipeline, before, after)
    if as_json:
        out.print_json(json.dumps(asdict(found)))
        return
    rows = [
        *(("image", module, f"{old} → {new}") for module, (old, new) in found.images.items()),
        *(("commit", module, commit) for module in found.images for commit in found.commits.get(module, [])),
        *(("dependency", name, f"{was or '–'} → {now or '–'}") for name, (was, now) in found.dependencies.items()),
        *(("model", model, fate) for model, fate in found.models.items()),
    ]
    show_table(f"{pipeline}: {found.before} → {found.after}", ("what", "name", "change"), rows)
    if not rows:
        step(f"no difference between {found.before} and {found.after}")


def _history(config: Config, pipeline: str) -> list[PinnedVersion]:
    require_pinned(config, project_root(), pipeline)
    return read_history(repository(config), config.env, pipeline)


def _choose(config: Config, pipeline: str) -> str:
    entries = _history(config, pipeline)
    versions = list(dict.fromkeys(entry.pin.version for entry in entries))
    if len(versions) < 2:
        raise ReleaseError(f"{pipeline} has had no other release in {config.env}: there is nothing to go back to.")
    if not sys.stdin.isatty():
        raise ReleaseError(f"Choose a version with --to: {', '.join(versions)}.")
    rows = _rows(entries, runs_by_release(config, pipeline))
    show_table(f"{pipeline} in {config.env}", HISTORY, rows, right=("runs",), stream=sys.stderr)
    return Prompt.ask("Version", choices=versions, default=versions[1], console=err)


HISTORY = ("version", "since", "commit", "who", "why", "images", "runs")


def _rows(entries: list[PinnedVersion], runs: dict[str, int]) -> list[tuple[str, ...]]:
    return [
        (
            entry.pin.version,
            entry.pin.pinned_at,
            entry.pin.commit[:9],
            entry.pin.pinned_by.partition(" <")[0],
            entry.pin.reason,
            ", ".join(f"{module} {image.tag}" for module, image in sorted(entry.pin.images.items())),
            str(runs.get(entry.pin.version, 0)),
        )
        for entry in entries
    ]
