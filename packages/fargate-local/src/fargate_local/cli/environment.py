"""`fargate-local env`."""

import shlex
import time
from typing import Annotated

import typer

from fargate_local.cli.client import DEFAULT_URL, asking
from fargate_local.cli.output import AsJson, Region, Url, UserError, say, say_json
from fargate_local.keys import ServerKey, shared_key_file

EXAMPLE = "Example: fargate-local env --wait 60"
POLL_SECONDS = 0.1


def env(
    url: Url = DEFAULT_URL,
    region: Region = "us-east-1",
    wait: Annotated[float, typer.Option(help="Seconds to wait for a server that is just starting.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Print the exports that point a shell, the AWS CLI and any SDK at a server of yours, with its key."""
    deadline = time.monotonic() + wait
    with asking(url):
        file = shared_key_file(url)
    while (key := ServerKey.read(file)) is None:
        if time.monotonic() >= deadline:
            message = f"you have no server at {url}: start one with `fargate-local serve`, or pass another --url"
            raise UserError(message)
        time.sleep(POLL_SECONDS)
    variables = key.environment(region)
    if as_json:
        say_json(variables)
    else:
        say("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
