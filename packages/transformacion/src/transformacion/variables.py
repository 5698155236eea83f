"""What our own options mean to dbt: pure functions."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from transformacion.errors import UsageError

RFM_DATE_VARIABLE: Final = "DATAVISION_FECHA_RFM"
"""How the date reaches the models. Unlike `--vars`, a new value does not make dbt parse the whole project again."""


def dbt_arguments(command: Sequence[str], *, full_refresh: bool = False) -> list[str]:
    """The command with `--full-refresh` when it is asked for."""
    return [*command, "--full-refresh"] if full_refresh and "--full-refresh" not in command else list(command)


def dbt_environment(command: Sequence[str], fecha_rfm: date | None) -> dict[str, str]:
    """The variables for dbt. Raises UsageError when the date is given both as an option and in `--vars`."""
    if fecha_rfm is None:
        return {}
    if any(argument == "--vars" or argument.startswith("--vars=") for argument in command):
        raise UsageError("Give the date once: either --fecha-rfm or --vars, not both.")
    return {RFM_DATE_VARIABLE: fecha_rfm.isoformat()}
