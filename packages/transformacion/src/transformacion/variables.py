"""What our own options mean for dbt: pure functions."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from transformacion.errors import UsageError

RFM_DATE_VARIABLE: Final = "DATAVISION_FECHA_RFM"
"""How the date reaches the models. Unlike `--vars`, a new value does not make dbt parse the entire project again."""

PROJECT_VARIABLE: Final = "DATAVISION_PROYECTO_DBT"
"""How the models know which version of the project built a table: another one's is built anew."""


def dbt_arguments(command: Sequence[str], *, full_refresh: bool = False) -> list[str]:
    """Return the command, completed by our options and rules.

    Args:
        command: The verb and dbt's options.
        full_refresh: Whether `--reconstruir` was given.

    Returns:
        The command with `--full-refresh` when it is asked for, and without unit tests unless it is about them: they
        prove the code, not the data.
    """
    arguments = [*command, "--full-refresh"] if full_refresh and "--full-refresh" not in command else list(command)
    if command[0] in ("build", "test") and not any("resource-type" in argument for argument in command):
        arguments += ["--exclude-resource-type", "unit_test"]
    return arguments


def dbt_environment(command: Sequence[str], fecha_rfm: date | None) -> dict[str, str]:
    """Return the environment variables for dbt.

    Args:
        command: The verb and dbt's options.
        fecha_rfm: The date given with `--fecha-rfm`.

    Raises:
        UsageError: The date is given both as an option and in `--vars`.
    """
    if fecha_rfm is None:
        return {}
    if gives_variables(command):
        raise UsageError("Give the date once: either --fecha-rfm or --vars, not both.")
    return {RFM_DATE_VARIABLE: fecha_rfm.isoformat()}


def gives_variables(command: Sequence[str]) -> bool:
    """Return whether the command has `--vars`."""
    return any(argument == "--vars" or argument.startswith("--vars=") for argument in command)
