"""A copy of the working tree as somebody who cloned it would have it."""

import os
import shutil
import subprocess
from pathlib import Path

GIT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "ci"), ("EMAIL", "ci@datavision.example"))
}


def git(folder: Path, *arguments: str) -> None:
    """Run git in `folder` as a person of its own."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, env={**os.environ, **GIT})


def copy_of_the_tree(repository: Path, folder: Path) -> Path:
    """Copy what git tracks or would add, changes included and pins left out, into a new repository with one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=repository, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file() and not name.startswith("dags/pins/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "All")
    return folder
