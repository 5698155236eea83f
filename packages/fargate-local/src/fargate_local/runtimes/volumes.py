"""The volumes of tasks as folders on this machine: empty when the task starts, removed when it has ended."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "fargate-local-volumes-"


class Volumes:
    """Folders below one that belongs to this process, so that the next server can tell what a crash left behind."""

    def __init__(self) -> None:
        self._root = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}"

    def folder(self, task_id: str, name: str) -> Path:
        """Return the folder of a volume, the same for all containers of the task.

        Raises:
            PermissionError: The folder for all volumes belongs to someone else.
        """
        # mkdir and not makedirs for the root: another user's folder by that name is an error.
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
        for root in self._root.parent.glob(f"{PREFIX}*"):
            pid = root.name.removeprefix(PREFIX)
            if pid.isdigit() and root.stat().st_uid == os.geteuid() and not running(int(pid)):
                shutil.rmtree(root, ignore_errors=True)


def running(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
