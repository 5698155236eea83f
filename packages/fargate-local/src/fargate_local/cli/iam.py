"""`fargate-local iam used`."""

from typing import Annotated, Any

import typer

from fargate_local.cli.client import DEFAULT_URL
from fargate_local.cli.faults import ask
from fargate_local.cli.output import AsJson, Url, UserError, say_json, say_table

app = typer.Typer(help="What permissions were made use of on a strict server.", no_args_is_help=True)


@app.command("used", epilog="Example: fargate-local iam used --role datavision-ingesta-task")
def used(
    url: Url = DEFAULT_URL,
    role: Annotated[str | None, typer.Option(help="Only this role, by name or ARN.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each role called since the server's start, and what it was granted and never used."""
    told: list[dict[str, Any]] = ask(url, "GET", "iam/used")["roles"]
    if role is not None:
        known = [each for each in told if role in (each["role"], short(each["role"]))]
        if not known:
            message = f"the account has no role {role!r}: `fargate-local iam used` shows those that it has"
            raise UserError(message)
        told = known
    if as_json:
        say_json(told)
    else:
        say_table(("role", "", "action", ""), [row for each in told for row in rows(each)])


def rows(told: dict[str, Any]) -> list[list[str]]:
    """Return the table's rows about one role."""
    name = short(told["role"])
    lines = [
        [name, word, each["action"], f"{times(each['times'])} on {some(each['resources'])}"]
        for word in ("used", "refused")
        for each in told[word]
    ]
    for each in told["unused"]:
        where = f"{each['policy']}: {each['statement']}"
        lines += [[name, "never used", action, where] for action in each["actions"]]
        if not each["actions"]:
            lines += [[name, "never used", resource, where] for resource in each["resources"]]
    return lines


def short(arn: str) -> str:
    """Return the name at the end of a role's ARN."""
    return arn.rpartition("/")[2]


def times(count: int) -> str:
    """Return a count in words."""
    return "1 time" if count == 1 else f"{count} times"


def some(resources: list[str]) -> str:
    """Return the first resource as its account knows it, and how many more there are; the ARNs are in `--json`."""
    first = resources[0].split(":", 5)[-1]
    return first if len(resources) == 1 else f"{first} and {len(resources) - 1} more"
