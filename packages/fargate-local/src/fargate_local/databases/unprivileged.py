"""How to start PostgreSQL, which refuses to run as root, where everything runs as root."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

_NAMESPACE: Final = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
_SYSTEM_USER: Final = "pgserver"


def command_prefix(folder: Path, program_folder: Path) -> list[str]:
    """Return a command prefix under which a program does not see itself as root; empty for an ordinary user.

    A user namespace does it without leaving a trace. Where the kernel forbids those, files under `folder` are given to
    a system user and the folders above it and above the programs are made traversable, which is reported on stderr.
    """
    if os.geteuid() != 0:
        return []
    if _namespaces_allowed():
        return _NAMESPACE
    _hand_over(folder, program_folder)
    return ["setpriv", f"--reuid={_SYSTEM_USER}", f"--regid={_SYSTEM_USER}", "--clear-groups", "--"]


@cache
def _namespaces_allowed() -> bool:
    if shutil.which(_NAMESPACE[0]) is None:
        return False
    return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def _hand_over(folder: Path, program_folder: Path) -> None:
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER], check=True)
        user = pwd.getpwnam(_SYSTEM_USER)
    if folder.stat().st_uid == user.pw_uid:
        return
    print(  # noqa: T201 - a change to the machine must be reported
        f"User namespaces are not allowed here: PostgreSQL runs as system user {_SYSTEM_USER!r}, "
        f"and the folders above {folder} and {program_folder} are made readable for it.",
        file=sys.stderr,
    )
    for path in (*folder.parents, *program_folder.parents):
        path.chmod(path.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH | stat.S_IRGRP | stat.S_IROTH)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
