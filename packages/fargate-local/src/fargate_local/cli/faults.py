"""`fargate-local faults list|add|remove|clear`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fargate_local.cli.client import DEFAULT_URL, asking, key_for
from fargate_local.cli.output import AsJson, Url, UserError, say, say_json, say_table

app = typer.Typer(help="Make things fail on purpose: list, add and remove fault rules.", no_args_is_help=True)


@app.command("list", epilog="Example: fargate-local faults list --json")
def list_rules(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the active rules and how often each was injected."""
    show(ask(url, "GET", "faults")["rules"], as_json)


@app.command("add", epilog="Example: fargate-local faults add capacity --family 'rfm*' --times 2")
def add(
    fault: Annotated[str | None, typer.Argument(help="What goes wrong; see the README.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--file", help="TOML file of rules instead.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    action: Annotated[str, typer.Option(help="Pattern of API actions.")] = "*",
    cluster: Annotated[str, typer.Option(help="Pattern of clusters.")] = "*",
    family: Annotated[str, typer.Option(help="Pattern of task definition families.")] = "*",
    capacity_provider: Annotated[str, typer.Option(help="Pattern: FARGATE, FARGATE_SPOT.")] = "*",
    after: Annotated[int, typer.Option(help="Let this many matches through first.")] = 0,
    times: Annotated[int | None, typer.Option(help="Fail at most this many times.", show_default=False)] = None,
    probability: Annotated[float, typer.Option(help="Probability for each match, 0 to 1.")] = 1.0,
    seconds: Annotated[float | None, typer.Option(help="The fault's delay or duration.", show_default=False)] = None,
    warning_seconds: Annotated[float, typer.Option(help="Notice before a Spot task is killed.")] = 120.0,
    state: Annotated[str, typer.Option(help="Where a stuck task stays.")] = "PENDING",
    message: Annotated[str | None, typer.Option(help="Message to return instead of AWS's.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Add a fault rule."""
    from fargate_local.faults.rules import RuleError, load_rules

    if (fault is None) == (file is None):
        message = "name a fault, or give rules with --file"
        raise UserError(message)
    if file is not None:
        try:
            rules = [rule.model_dump(exclude_defaults=True) for rule in load_rules(file)]
        except RuleError as error:
            raise UserError(str(error)) from error
    else:
        rule = {
            "fault": fault,
            "action": action,
            "cluster": cluster,
            "family": family,
            "capacity_provider": capacity_provider,
            "after": after,
            "times": times,
            "probability": probability,
            "seconds": seconds,
            "warning_seconds": warning_seconds,
            "state": state,
            "message": message,
        }
        rules = [{key: value for key, value in rule.items() if value is not None}]
    ids = ask(url, "POST", "faults", rules)["ids"]
    if as_json:
        say_json({"ids": ids})
    else:
        say("\n".join(f"added rule {number}" for number in ids))


@app.command("remove", epilog="Example: fargate-local faults remove 1")
def remove(
    number: Annotated[int, typer.Argument(help="The rule's number in `faults list`.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Remove one rule."""
    show(ask(url, "DELETE", f"faults/{number}")["rules"], as_json)


@app.command("clear", epilog="Example: fargate-local faults clear")
def clear(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Remove all rules."""
    show(ask(url, "DELETE", "faults")["rules"], as_json)


def show(rules: list[dict[str, Any]], as_json: bool) -> None:
    """Print rules."""
    if as_json:
        say_json(rules)
        return
    counted = ("id", "matched", "injected", "fault")
    rows = [
        [*(str(rule[key]) for key in counted), ", ".join(f"{k}={v}" for k, v in rule.items() if k not in counted)]
        for rule in rules
    ]
    say_table((*counted, "where"), rows)


def ask(url: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Call the admin endpoint and return its answer.

    Raises:
        UserError: The server refused; the text is its message.
    """
    from fargate_local.admin_client import AdminError
    from fargate_local.admin_client import ask as ask_server

    with asking(url):
        try:
            return ask_server(key_for(url), method, path, body)
        except AdminError as error:
            raise UserError(str(error)) from error
