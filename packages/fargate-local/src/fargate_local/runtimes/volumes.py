"""The volumes of tasks as folders on this machine: empty when the task starts, removed when it has ended."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from fargate_local.protocol.errors import StartError
from fargate_local.runtimes.leftovers import remove_abandoned

PREFIX = "fargate-local-volumes-"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


class Volumes:
    """Folders below one that belongs to this process, so that the next server can tell what a crash left behind."""

    def __init__(self) -> None:
        self._root = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}"

    def folder(self, task_id: str, name: str) -> Path:
        """Return the folder of a volume, the same for all containers of the task.

        Raises:
            StartError: The name is not one that a volume may have.
            PermissionError: Another user has the folder of all volumes.
        """
        if not NAME.fullmatch(name):
            # RegisterTaskDefinition lets no such name through, but a template's definition is not checked.
            message = (
                f'CannotCreateVolumeError: create {name}: "{name}" includes invalid characters for a local volume name,'
                ' only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed.'
            )
            raise StartError(message)
        # mkdir and not makedirs for the root: a folder of somebody else's by that name is an error, not a place.
        with contextlib.suppress(FileExistsError):
            self._root.mkdir(mode=0o700)
        if self._root.is_symlink() or self._root.stat().st_uid != os.geteuid():
            message = f"{self._root} belongs to another user; remove it, or set TMPDIR"
            raise PermissionError(message)
        folder = self._root / task_id / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def release(self, task_id: str) -> None:
        """Remove a task's folders."""
        shutil.rmtree(self._root / task_id, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._root.rmdir()

    def end_leftovers(self) -> None:
        """Remove the folders of servers that are gone."""
        remove_abandoned(PREFIX)
