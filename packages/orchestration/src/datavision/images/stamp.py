"""Records where a working tree comes from."""

import re
from pathlib import Path

from datavision.git_command import run_git
from datavision.images.errors import ImageError
from datavision.images.recipe import Stamp


def working_tree_stamp(project: Path, version: str) -> Stamp:
    """Return the stamp for building the working tree as it is now.

    Raises:
        ImageError: The repository has no commit.
    """
    commit = _git(project, "log", "-1", "--format=%H")
    dirty = bool(_git(project, "status", "--porcelain"))
    remotes = _git(project, "remote").split()
    origin = _git(project, "remote", "get-url", remotes[0]) if remotes else project.name
    return Stamp(version, f"{commit}-dirty" if dirty else commit, without_credentials(origin))


def without_credentials(url: str) -> str:
    """Return a git URL without user and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def _git(project: Path, *arguments: str) -> str:
    done = run_git(arguments, project)
    if done.returncode != 0:
        raise ImageError(f"git {arguments[0]} failed in {project}: {done.stderr.strip()}. Commit something first.")
    return done.stdout.strip()
