"""`fargate-local balancers`."""

from collections import Counter
from typing import Any

from fargate_local.cli.client import DEFAULT_URL
from fargate_local.cli.faults import ask
from fargate_local.cli.output import AsJson, Url, say_json, say_table

EXAMPLE = "Example: fargate-local balancers --json"


def balancers(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show where each listener of a load balancer is found, and its targets."""
    listeners: list[dict[str, Any]] = ask(url, "GET", "balancers")["listeners"]
    if as_json:
        say_json(listeners)
        return
    rows = [
        [
            each["loadBalancer"],
            f"{each['protocol']} {each['port']}",
            each["url"] or each["problem"],
            ", ".join(f"{count} {state}" for state, count in Counter(states(each)).items()),
        ]
        for each in listeners
    ]
    say_table(("load balancer", "listener", "here", "targets"), rows)


def states(listener: dict[str, Any]) -> list[str]:
    """Return the states of a listener's targets."""
    return [target["state"] for target in listener["targets"]]
