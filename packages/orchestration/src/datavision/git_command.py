"""Runs git."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from datavision.process_environment import ProcessEnvironment

_KEPT = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG", "GIT_SSL", "GIT_SSH", "GIT_ASKPASS", "GIT_TERMINAL")


def run_git(
    arguments: Sequence[str], cwd: Path, stdin: str | None = None, variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `git` in `cwd` and return what it did, whatever its exit code."""
    # A hook or a rebase that calls us sets GIT_DIR and the like; they would send these commands elsewhere.
    ours = ProcessEnvironment.current().inherited
    inherited = {k: v for k, v in ours.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    return subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        input=stdin,
        env={**inherited, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
