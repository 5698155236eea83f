"""`datavision infra`: the CloudFormation stacks of an environment, and its secrets."""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.prompt import Prompt

from datavision.cli.connect import environment
from datavision.cli.options import PLAIN, AsJson, Env
from datavision.cli.output import err, out, step
from datavision.infra import deploy as deploy_stacks
from datavision.infra import put_secret_values
from datavision.infra.bootstrap import run_bootstrap

app = typer.Typer(help="The CloudFormation stacks of an environment, and its secrets.", **PLAIN)


class Secret(StrEnum):
    """The secrets of an environment."""

    SOURCE_URL = "source_url"
    LAKEHOUSE_CATALOG_URL = "lakehouse_catalog_url"
    AIRFLOW_GIT = "airflow_git"
    AIRFLOW_OIDC = "airflow_oidc"
    SMTP = "smtp"


@app.command()
def deploy(
    env: Env,
    as_json: AsJson = False,
) -> None:
    """Create or update the stacks of infra/; up-to-date ones are left alone.

    Example: datavision infra deploy --env dev
    """
    with environment(env) as config:
        done = deploy_stacks(config, report=step)
    if as_json:
        out.print_json(json.dumps(done))


@app.command()
def secret(name: Annotated[Secret, typer.Argument(help="Which secret.")], env: Env) -> None:
    """Set a secret's value: prompted for on a terminal, else read from standard input.

    Example: datavision infra secret source_url --env dev < url.txt
    """
    asked = sys.stdin.isatty()
    value = Prompt.ask(f"Value of {name}", password=True, console=err) if asked else sys.stdin.read().strip()
    with environment(env) as config:
        changed = put_secret_values(config, {name.value: value})
    step(f"{name.value} of {env}: {'changed' if changed else 'already had that value'}")


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
