"""`fargate-local stats`."""

from typing import Annotated, Any

import typer

from fargate_local.cli.client import DEFAULT_URL
from fargate_local.cli.faults import ask
from fargate_local.cli.output import AsJson, Url, UserError, say_columns, say_json
from fargate_local.cli.tasks import SHORT
from fargate_local.protocol.arns import last_part

EXAMPLE = "Example: fargate-local stats"
MIB = 1024 * 1024


def stats(
    task: Annotated[
        str | None, typer.Argument(help="Only this task: ARN, id, or the beginning of its id.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show what running containers use: CPUs kept busy, and memory; of the process runtime."""
    found: list[dict[str, Any]] = ask(url, "GET", "stats")["containers"]
    if task is not None:
        found = [each for each in found if last_part(each["task"]).startswith(last_part(task))]
        if not found:
            message = f"no running task has an id that begins with {last_part(task)!r}: see `fargate-local ps`"
            raise UserError(message)
    if as_json:
        say_json(found)
        return
    titles = ("task", "container", "cpus", "of", "memory", "of", "processes")
    say_columns(titles, [row(each) for each in found], short={"task": SHORT}, give_up=("processes",))


def row(used: dict[str, Any]) -> list[str]:
    """Return a line of the table."""
    return [
        last_part(used["task"]),
        used["container"],
        f"{used['cpus']:.2f}",
        f"{used['cpus_reserved']:g}",
        f"{used['memory'] / MIB:.0f} MiB",
        f"{used['memory_limit'] / MIB:.0f} MiB",
        str(used["processes"]),
    ]
