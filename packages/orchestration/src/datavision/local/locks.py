"""Locks that the kernel releases when their process dies."""

import fcntl
from typing import IO


def take(file: IO[str]) -> bool:
    """Lock an open file exclusively without waiting; return whether that worked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
