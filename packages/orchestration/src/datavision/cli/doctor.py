"""`datavision doctor`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from datavision.cli.connect import environment
from datavision.cli.options import Env
from datavision.cli.output import out
from datavision.cli.tables import show_table
from datavision.doctor import Finding, examine_environment, examine_machine, pipelines_of
from datavision.environment import runs_here
from datavision.state import project_root


def doctor(
    env: Env,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check everything a run needs; the exit code is 1 when something is missing.

    Example: datavision doctor --env dev
    """
    findings: list[Finding] = list(examine_machine()) if runs_here(env) else []
    with environment(env) as config:
        findings += examine_environment(config, pipelines_of(project_root() / "dags"))
    if as_json:
        out.print_json(json.dumps([asdict(finding) for finding in findings]))
    else:
        show_table("", ("state", "check", "found", "next step"), [_row(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _row(finding: Finding) -> tuple[Text | str, ...]:
    state = Text("ok", "green") if finding.ok else Text("missing", "red")
    return state, finding.check, finding.detail, finding.remedy
