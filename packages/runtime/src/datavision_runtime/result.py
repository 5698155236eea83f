"""The result a command hands to the entry point, and from there to Airflow's XCom."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datavision_runtime.process_environment import RESULT_FILE_VARIABLE, ProcessEnvironment

MAX_RESULT_BYTES = 48 * 1024
"""Size limit of a result: it ends up in Airflow's database, so it has to be small (the image contract)."""


class ResultError(ValueError):
    """The result is not a JSON object of at most 48 KiB."""


def write_result(result: Mapping[str, Any], process: ProcessEnvironment | None = None) -> None:
    """Leave `result` where `datavision-run` collects it; nothing happens outside a container.

    Writing again replaces the earlier result. The file appears complete or not at all. `process` says where it is to
    be; None means as this process was told.

    Raises:
        ResultError: `result` cannot be written as a JSON object of at most 48 KiB, or not to that file.
    """
    target = (process or ProcessEnvironment.current()).result_file
    if target is None:
        return
    try:
        text = json.dumps(dict(result), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ResultError(
            f"The result is not valid JSON ({error}). Use strings, numbers, lists and objects."
        ) from error
    check_size(len(text.encode()))
    path = Path(target)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except (OSError, ValueError) as error:
        raise ResultError(
            f"The result cannot be written to {target} ({error}). Unset {RESULT_FILE_VARIABLE}, or name a file in a "
            "folder that may be written."
        ) from error


def read_result(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None when the command left nothing.

    Raises:
        ResultError: The file holds something else than a JSON object of at most 48 KiB.
    """
    try:
        if not path.exists():
            return None
        check_size(path.stat().st_size)
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        # Half a surrogate pair is legal JSON but not valid text: S3 and Airflow's database reject it.
        json.dumps(value, ensure_ascii=False).encode()
    except OSError as error:
        raise ResultError(f"The result file cannot be read: {error.strerror}.") from error
    except ResultError:
        raise
    except (ValueError, RecursionError) as error:
        raise ResultError(f"The result file is not valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ResultError(f"The result file holds a JSON {type(value).__name__}; it must hold an object.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def check_size(size: int) -> None:
    """Check that `size` bytes are not more than a result may have.

    Raises:
        ResultError: They are.
    """
    if size > MAX_RESULT_BYTES:
        raise ResultError(
            f"The result has {size} bytes; the limit is {MAX_RESULT_BYTES}. Put data in a bucket and return its path."
        )
