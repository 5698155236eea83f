"""Locks that the kernel releases when their process dies."""

import fcntl
from typing import IO


def take(file: IO[str]) -> bool:
    """Lock an open file for us alone without waiting; tell whether that worked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
