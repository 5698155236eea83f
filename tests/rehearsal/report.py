"""What a rehearsal came to: how long each command took, what runs, and what each role called."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.rehearsal.account import Account

from fargate_local.admin_client import ask


def permissions(account: Account) -> list[dict[str, Any]]:
    """What each role used, was refused and never used, as `fargate-local iam used --json` shows it."""
    roles: list[dict[str, Any]] = ask(account.cloud.key, "GET", "iam/used")["roles"]
    return [role for role in roles if "/datavision-dev-" in role["role"]]


def show(account: Account) -> None:
    """Print the tables."""
    ours = [(words[:100], f"{seconds:.0f}") for words, seconds in account.seconds if words.startswith("datavision")]
    services = [(name, f"{wanted}", f"{running}", how) for name, (wanted, running, how) in account.services().items()]
    images = {
        run: [f"{module}@{digest[:19]}" for module, digest in account.digests(run).items()] for run in account.runs
    }
    runs = [(run, dag, ", ".join(images[run]), f"{seconds:.0f}") for run, (dag, seconds) in account.runs.items()]
    roles = [
        (
            role["role"].rpartition("/")[2],
            str(sum(each["times"] for each in role["used"])),
            ", ".join(sorted(each["action"] for each in role["refused"])),
            ", ".join(sorted(action for each in role["unused"] for action in each["actions"])),
        )
        for role in permissions(account)
    ]
    table(("command", "seconds"), ours)
    table(("service", "desired", "running", "deployment"), services)
    table(("run", "pipeline", "images", "seconds"), runs)
    table(("role", "calls", "refused", "granted and never used"), roles)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one."""
    shown = Table(*columns)
    for row in rows:
        shown.add_row(*row)
    Console(stderr=True, width=160).print(shown)
