"""Files of this machine that an engine is given for its containers: names, and a hook that takes a file away."""

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Final

from fargate_local.protocol.plan import TaskPlan
from fargate_local.runtimes.leftovers import remove_abandoned

PREFIX: Final = "fargate-local-engine-"
HIDE: Final = (
    'bundle=$(sed -n \'s/.*"bundle":"\\([^"]*\\)".*/\\1/p\');'
    ' root=$(sed -n \'s/.*"root":{"path":"\\([^"]*\\)".*/\\1/p\' "$bundle/config.json");'
    ' umount "$root/run/.containerenv" && rm -f "$root/run/.containerenv"; true'
)
"""Takes away `/run/.containerenv`, which podman mounts into every container."""
HOOK: Final = {
    "version": "1.0.0",
    "hook": {"path": "/bin/sh", "args": ["sh", "-c", HIDE], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
    "when": {"always": True},
    "stages": ["createContainer"],
}
"""oci-hooks(5). At this stage the mounts are there, and the root is not changed yet."""


class EngineFiles:
    """A folder that is made when it is first needed, and belongs to this process."""

    def __init__(self) -> None:
        self._made: Path | None = None
        self._lock = threading.Lock()

    @property
    def _folder(self) -> Path:
        with self._lock:
            if self._made is None:
                self._made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
                (self._made / "hooks").mkdir()
                (self._made / "hooks" / "likeness.json").write_text(json.dumps(HOOK))
            return self._made

    @property
    def hooks(self) -> Path:
        """The folder of hooks for all containers."""
        return self._folder / "hooks"

    def hosts(self, task: TaskPlan) -> Path:
        """Return where a task's `/etc/hosts` is."""
        return self._folder / task.task_id

    def write_hosts(self, task: TaskPlan, name: str) -> None:
        """Write the `/etc/hosts` that a task has on Fargate: loopback and its own name; engines write more."""
        self.hosts(task).write_text(f"127.0.0.1 localhost\n{task.address} {name}\n")
        # For the container's user to read, whatever the umask.
        self.hosts(task).chmod(0o644)

    def remove_hosts(self, task: TaskPlan) -> None:
        """Remove a task's file."""
        self.hosts(task).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove them all."""
        if self._made:
            shutil.rmtree(self._made, ignore_errors=True)

    @staticmethod
    def end_leftovers() -> None:
        """Remove the files of servers that are gone."""
        remove_abandoned(PREFIX)
