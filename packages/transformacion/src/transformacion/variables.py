"""The dbt arguments behind our own options: pure functions."""

import json
from collections.abc import Sequence
from datetime import date

from transformacion.errors import UsageError


def dbt_variables(command: Sequence[str], fecha_rfm: date | None, *, full_refresh: bool = False) -> list[str]:
    """The command with `--vars` and `--full-refresh` as our options ask.

    Raises UsageError when the date is given both as an option and in `--vars`.
    """
    arguments = list(command)
    if fecha_rfm is not None:
        if any(argument == "--vars" or argument.startswith("--vars=") for argument in arguments):
            raise UsageError("Give the date once: either --fecha-rfm or --vars, not both.")
        arguments += ["--vars", json.dumps({"fecha_rfm": fecha_rfm.isoformat()})]
    if full_refresh and "--full-refresh" not in arguments:
        arguments.append("--full-refresh")
    return arguments
