"""Temporary folders of servers that are gone: their names begin with what they are for, and the server's process id."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import psutil


def remove_abandoned(prefix: str) -> None:
    """Remove the folders `<prefix><process id>…` of the temporary folder whose process has ended, if they are ours."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = re.match(r"\d+", folder.name.removeprefix(prefix))
        if pid and folder.stat().st_uid == os.geteuid() and not psutil.pid_exists(int(pid[0])):
            shutil.rmtree(folder, ignore_errors=True)
