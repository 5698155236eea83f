"""The state folder: who has it, and what is wrong with it."""

import os
from pathlib import Path


class StateError(RuntimeError):
    """The state folder cannot be used; the text says where, and what to do."""


class StateInUseError(StateError):
    """Another server has the state folder."""


class StateLock:
    """Keeps a second server out of a state folder; the kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        import fcntl

        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            message = f"another fargate-local is using {folder}: stop it, or give another --state-dir"
            raise StateInUseError(message) from None

    def release(self) -> None:
        """Let others in."""
        os.close(self._file)
