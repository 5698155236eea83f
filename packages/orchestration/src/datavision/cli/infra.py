"""`datavision infra`: the CloudFormation stacks of an environment, and its secrets."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape
from rich.prompt import Confirm, Prompt
from rich.text import Text

from datavision import infra
from datavision.cli.connect import environment
from datavision.cli.options import PLAIN, AsJson, Env
from datavision.cli.output import err, out, step
from datavision.cli.tables import show_table
from datavision.infra.bootstrap import run_bootstrap

app = typer.Typer(help="The CloudFormation stacks of an environment, and its secrets.", **PLAIN)


class Secret(StrEnum):
    """The secrets of an environment."""

    SOURCE_URL = "source_url"
    LAKEHOUSE_CATALOG_URL = "lakehouse_catalog_url"
    AIRFLOW_GIT = "airflow_git"
    AIRFLOW_OIDC = "airflow_oidc"
    SMTP = "smtp"


Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]
Data = Annotated[
    list[str],
    typer.Option("--data", help="A part of infra/ that holds data and goes all the same; repeatable.", metavar="PART"),
]


@app.command()
def plan(env: Env, as_json: AsJson = False) -> None:
    """Show what a deploy would do to each stack and its resources, changing nothing.

    Example: datavision infra plan --env prod
    """
    with environment(env) as config:
        found = infra.plan(config)
    if as_json:
        out.print_json(json.dumps([asdict(item) for item in found]))
        return
    show_table(f"{env}: what a deploy would do", PLANNED, [row for item in found for row in _planned(item)])
    if asked := sum(len(item.asked_for) for item in found):
        step(f"{asked} replaced or deleted: a deploy asks first")


@app.command()
def deploy(env: Env, yes: Yes = False, as_json: AsJson = False) -> None:
    """Create or update the stacks of infra/; what is as it should be is left alone.

    Before something is replaced or deleted it asks.

    Example: datavision infra deploy --env dev
    """

    def approve(planned: infra.StackPlan) -> bool:
        for change in planned.changes:
            step(f"{planned.stack}: {escape(str(change))}")
        if yes or not planned.asked_for:
            return True
        question = f"Replace or delete {len(planned.asked_for)} of {planned.stack}?"
        return sys.stdin.isatty() and Confirm.ask(question, console=err, default=False)

    with environment(env) as config:
        done = infra.deploy(config, report=_step, approve=approve)
    if as_json:
        out.print_json(json.dumps(done))


@app.command()
def drift(env: Env, as_json: AsJson = False) -> None:
    """Show what somebody changed past CloudFormation; the exit code is 1 when there is something.

    Example: datavision infra drift --env prod
    """
    with environment(env) as config:
        found = infra.detect_drift(config)
    if as_json:
        out.print_json(json.dumps([asdict(item) for item in found]))
    elif found:
        rows = [(d.stack, d.resource, d.kind, d.state, "; ".join(d.differences)) for d in found]
        show_table(f"{env}: what differs", ("stack", "resource", "type", "state", "template → account"), rows)
    else:
        step(f"{env} is as its stacks say")
    if found:
        raise typer.Exit(1)


@app.command()
def destroy(env: Env, data: Data = [], yes: Yes = False) -> None:  # noqa: B006 - typer copies it
    """Remove the stacks of an environment; those that hold data stay unless they are named with --data.

    Example: datavision infra destroy --env dev --data storage
    """
    with environment(env) as config:
        planned = infra.plan_destruction(config, data)
        for stack, why in planned.kept.items():
            step(f"{stack} stays: it {why}" if why == "holds data" else f"{stack} stays: {why}")
        if not planned.gone:
            step("there is nothing to remove")
            return
        step(f"to be removed: {', '.join(planned.gone)}")
        if not yes and not (sys.stdin.isatty() and _typed(env)):
            raise infra.InfraError("Nothing was removed, because nobody agreed. Run it on a terminal, or with --yes.")
        infra.destroy(config, planned, report=_step)


PLANNED = ("stack", "what", "resource", "type", "because")


def _planned(item: infra.StackPlan) -> list[tuple[str | Text, ...]]:
    if not item.changes:
        return [(item.stack, item.verb, "", "", "")]
    return [
        (
            item.stack,
            Text(change.fate, "bold red") if change.asked_for else change.fate,
            change.resource,
            change.kind,
            ", ".join(change.causes),
        )
        for change in item.changes
    ]


def _typed(env: str) -> bool:
    return Prompt.ask(f"Type {env} to go on", console=err) == env


def _step(text: str) -> None:
    """Say it as it is: names of types stand in brackets, which are markup elsewhere."""
    step(escape(text))


@app.command()
def secret(name: Annotated[Secret, typer.Argument(help="Which secret.")], env: Env) -> None:
    """Set a secret's value: prompted for on a terminal, else read from standard input.

    Example: datavision infra secret source_url --env dev < url.txt
    """
    asked = sys.stdin.isatty()
    value = Prompt.ask(f"Value of {name}", password=True, console=err) if asked else sys.stdin.read().strip()
    with environment(env) as config:
        changed = infra.put_secret_values(config, {name.value: value})
    step(f"{name.value} of {env}: {'changed' if changed else 'had that value already'}")


@app.command()
def bootstrap(
    env: Env,
    rotate: Annotated[bool, typer.Option("--rotate", help="Give every database user a new password.")] = False,
) -> None:
    """Create the databases and users of lakehouse and Airflow, in a task inside the VPC, and store their URLs.

    Example: datavision infra bootstrap --env dev
    """
    with environment(env) as config:
        run_bootstrap(config, rotate=rotate, report=step)
