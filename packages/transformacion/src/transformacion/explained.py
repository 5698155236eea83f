"""Turns any exception into one sentence and an exit code of the contract: users see no traceback."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import typer

from datavision_lakehouse import ConfigurationError, LakehouseError
from datavision_runtime import ResultError
from datavision_runtime.exit_codes import FAILURE, USAGE
from transformacion.errors import TransformacionError, UsageError


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the block raises into one sentence on stderr and the exit code that Airflow decides on.

    Raises:
        Exit: The block raised; carries the exit code.
        Abort: The block raised it.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: users get a sentence, whatever it is
        typer.echo(f"error: {sentence(error)}", err=True)
        raise typer.Exit(exit_code(error)) from None


def exit_code(error: Exception) -> int:
    """Return 2 when a retry cannot help, else 1."""
    return USAGE if isinstance(error, ConfigurationError | UsageError) else FAILURE


def sentence(error: Exception) -> str:
    """Return what happened and what to do next, in one line."""
    text = " ".join(str(error).split())
    match error:
        case LakehouseError() | TransformacionError() | ResultError():
            return text
        case duckdb.Error():
            return (
                f"The lakehouse stopped answering ({first_line(error)}). Check that its catalog database is up and "
                "reachable from this task, then run again."
            )
        case OSError():
            return f"A file or a connection failed ({text}). Fix it, then run again."
    return f"Unexpected {type(error).__name__} at {_place(error)}: {text}. Run again; if it keeps failing, report it."


def first_line(error: Exception) -> str:
    """Return the first line of an exception's text that is not empty."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__ or sys.exc_info()[2])
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "an unknown place"
