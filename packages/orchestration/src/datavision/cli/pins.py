"""`datavision pins`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from datavision.cli.connect import environment
from datavision.cli.output import fail, out
from datavision.cli.tables import show_table
from datavision.config import ENVIRONMENTS
from datavision.release.pins.drift import PinState, pin_states
from datavision.release.pins.places import pinned_names, repository
from datavision.state import project_root


def pins(
    env: Annotated[list[str] | None, typer.Option(help="Only these environments; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the pins as JSON.")] = False,
) -> None:
    """Show what is pinned where, since when and by which commit; detect pins that no longer match (exit code 1).

    A pin no longer matches if it differs from the registry, its task definition, or what the last run really used.

    Example: datavision pins --env prod
    """
    states: list[PinState] = []
    unknown = False
    for name in env or ENVIRONMENTS:
        try:
            with environment(name) as config:
                states += pin_states(config, repository(config), pinned_names(config, project_root()))
        except (BotoCoreError, ClientError) as error:
            fail(f"{name} cannot be compared with AWS ({error}). Sign in to its account, or choose others with --env.")
            unknown = True
    if as_json:
        out.print_json(json.dumps([{**asdict(s), "pin": s.pin and s.pin.model_dump()} for s in states]))
    else:
        columns = ("environment", "pipeline", "version", "images", "since", "commit", "drift")
        show_table("", columns, [_row(state) for state in states])
    if unknown or any(state.drift for state in states):
        raise typer.Exit(1)


def _row(state: PinState) -> tuple[Text | str, ...]:
    images = state.pin.images if state.pin else {}
    return (
        state.env,
        state.pipeline,
        state.pin.version if state.pin else "–",
        ", ".join(f"{module} {image.tag}" for module, image in sorted(images.items())),
        state.since,
        state.commit[:9],
        Text("; ".join(state.drift), "red"),
    )
