"""From any exception to one sentence with the next step, and the exit code of the contract."""

import traceback

from datavision.errors import UserError
from datavision.exit_codes import FAILURE, USAGE
from datavision.process_environment import ProcessEnvironment

_LASTING = (FileExistsError, IsADirectoryError, NotADirectoryError, UnicodeError)
"""Errors that every retry would raise again."""


def exit_code(error: Exception) -> int:
    """Return 2 when the same call can never succeed, 1 when a retry may."""
    if isinstance(error, UserError):
        return error.exit_code
    return USAGE if isinstance(error, _LASTING) else FAILURE


def sentence(error: Exception) -> str:
    """Return what happened and what to do next."""
    text = (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
    if isinstance(error, UserError):
        return str(error)
    if _is_aws(error):
        return f"AWS refused or did not answer: {text}. Run `datavision doctor` to see what is missing."
    if isinstance(error, UnicodeError):
        return f"A file or an argument is not UTF-8 text ({text}). Restore or fix it, then run again."
    if isinstance(error, OSError):
        return f"The system refused a file, a folder or a connection: {text}. Put it right, then run again."
    if ProcessEnvironment.current().traceback:
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
    return (
        f"Unexpected {type(error).__name__} at {place}: {text}. Run again; if it happens again, "
        "report it with the output of DATAVISION_TRACEBACK=1."
    )


def _is_aws(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, BotoCoreError | ClientError)
