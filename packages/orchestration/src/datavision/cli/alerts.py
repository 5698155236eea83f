"""`datavision alert-test`: whether alerts arrive."""

import getpass
import json
from dataclasses import asdict
from typing import Any

import typer

from datavision.alerts.channels import send
from datavision.alerts.message import sample_message
from datavision.cli.connect import environment
from datavision.cli.options import AsJson, Env
from datavision.cli.output import out
from datavision.cli.tables import show_table
from datavision.config import Config
from datavision.doctor import smtp_secret
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.mail import parse_connection, plain_connection


def alert_test(env: Env, as_json: AsJson = False) -> None:
    """Send a test alert by mail and each other channel; the exit code is 1 if one is blocked.

    Example: datavision alert-test --env prod
    """
    with environment(env) as config:
        tried = send(config, sample_message(env, getpass.getuser()), lambda: _connection(config))
    if as_json:
        out.print_json(json.dumps([asdict(sent) for sent in tried]))
    else:
        rows = [(sent.channel, "blocked" if sent.error else "sent", sent.error) for sent in tried]
        show_table(f"test alert of {env}", ("way", "outcome", "why"), rows)
    if not tried:
        raise UserError(f"Nobody would hear of anything: set alerts.email_to in config/{env}.toml.")
    if any(sent.error for sent in tried):
        raise typer.Exit(1)


def _connection(config: Config) -> dict[str, Any]:
    """Return the mail server that Airflow has in this environment.

    Raises:
        UserError: On a laptop: no stack with a mailbox is running.
    """
    if not Environment(config).runs_here:
        return parse_connection(smtp_secret(config))
    from datavision.local.stack import running_stack

    stack = running_stack()
    if stack is None or stack.smtp_port is None:
        raise UserError("The mailbox of this machine is part of the local stack. Start it with `datavision up`.")
    return plain_connection(stack.smtp_port)
