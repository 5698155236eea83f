"""Runs uv on the workspace's lock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from datavision.images.errors import BuildError, ImageError
from datavision.process_environment import ProcessEnvironment


def uv_binary(project: Path, process: ProcessEnvironment | None = None) -> str:
    """Return the uv to use: `UV` (set by `uv run`), else the one on PATH, else `.uv/bin/uv` of the project.

    Raises:
        ImageError: There is none.
    """
    process = process or ProcessEnvironment.current()
    candidates = (process.uv, shutil.which("uv", path=process.path), str(project / ".uv" / "bin" / "uv"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise ImageError(
        "uv was not found in $UV, on PATH or in .uv/bin of the project. Run `make run` once: it installs uv."
    )


@cache
def requirements(project: Path, package: str, _lock_state: tuple[int, int]) -> str:
    """Return the part of the lock that `package` needs, as a hashed requirements file.

    Workspace members are lines that start with `./`. `_lock_state` (size and mtime of the lock) invalidates the cache.
    """
    return _run(
        project,
        "read the lock",
        ["export", "--frozen", "--package", package, "--no-dev", "--no-editable", "--no-header", "--no-annotate"],
    )


def locked_requirements(project: Path, package: str) -> str:
    """Return `requirements` for the lock as it is now."""
    lock = (project / "uv.lock").stat()
    return requirements(project, package, (lock.st_size, lock.st_mtime_ns))


def create_environment(project: Path, environment: Path, python: str) -> None:
    """Make an empty relocatable virtual environment."""
    _run(project, "create the environment", ["venv", "--relocatable", "--python", python, str(environment)])


def install_dependencies(project: Path, environment: Path, package: str) -> None:
    """Install what `package` needs from the lock, without the workspace's own members."""
    _sync(project, environment, "install dependencies", package, ["--no-install-workspace"])


def install_members(project: Path, environment: Path, package: str, members: Sequence[str]) -> None:
    """Install `package` and its workspace members, built from their current sources."""
    # uv caches a built member by its pyproject.toml alone, so it has to be told of changes in the sources.
    fresh = [argument for member in members for argument in ("--reinstall-package", member)]
    _sync(project, environment, "install the module", package, ["--inexact", *fresh])
    untrace = project / "packages" / "runtime" / "image" / "untrace"
    subprocess.run([str(untrace), str(environment)], check=True)


def write_bill(project: Path, package: str, target: Path) -> None:
    """Write what the lock gives `package` to `target`, as CycloneDX 1.5; the Dockerfiles call the same program.

    Raises:
        BuildError: uv failed.
    """
    bill = project / "packages" / "runtime" / "image" / "bill"
    done = subprocess.run(
        [sys.executable, str(bill), uv_binary(project), package, str(target)],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"uv could not write the bill of materials of {package}:\n{done.stderr.strip()}")


def compile_bytecode(root: Path) -> None:
    """Compile what has no bytecode yet below `root`, the folder that holds an image's `app/`.

    Raises:
        BuildError: The compiler broke down.
    """
    done = subprocess.run(
        [sys.executable, "-m", "datavision.images.bytecode", str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"Compiling {root} failed (exit {done.returncode}):\n{done.stderr.strip()}")


def _sync(project: Path, environment: Path, step: str, package: str, arguments: Sequence[str]) -> None:
    _run(
        project,
        step,
        ["sync", "--frozen", "--package", package, "--no-dev", "--no-editable", *arguments],
        {"UV_PROJECT_ENVIRONMENT": str(environment)},
    )


def _run(project: Path, step: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
    process = ProcessEnvironment.current()
    environment = {k: v for k, v in process.inherited.items() if k not in {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}}
    done = subprocess.run(
        [uv_binary(project, process), *arguments, "--quiet"],
        cwd=project,
        env={**environment, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"uv could not {step} (exit {done.returncode}):\n{done.stderr.strip()}")
    return done.stdout
