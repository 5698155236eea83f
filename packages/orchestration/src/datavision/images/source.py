"""What an image is made from: a module's files, the workspace members it needs, its part of the lock."""

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datavision.git_command import run_git
from datavision.images.errors import ImageError
from datavision.images.uv import locked_requirements

_MEMBER = re.compile(r"^\./(packages/[\w.-]+)", re.MULTILINE)
FOLDERS = {"airflow": "orchestration"}
"""Images whose package has a different name."""
_ALSO_COPIED = {"airflow": ("config", "packages/runtime/image")}
"""What a Dockerfile copies besides the package and the members it needs, relative to the project."""
_NOT_SHIPPED = frozenset({"src", "tests", "pyproject.toml", "README.md", "Dockerfile"})
"""Entries of a module's folder that do not go under /app/<module>: `src` is installed instead."""


@dataclass(frozen=True)
class ModuleSource:
    """The inputs of one module's image."""

    module: str
    package: str
    """Name of the Python distribution, e.g. `datavision-ingesta`."""
    folder: Path
    members: dict[str, Path]
    """Workspace members the module needs, itself included: distribution name → folder."""
    requirements: str
    created: str
    """When anything of it was last committed, in ISO 8601; empty before the first commit."""
    hash: str
    """sha256 over the files of all members, what else the Dockerfile copies, and the requirements, in hexadecimal."""

    @property
    def dockerfile(self) -> Path:
        """The module's Dockerfile."""
        return self.folder / "Dockerfile"

    def shipped_files(self) -> list[Path]:
        """Return the module's files that go under `/app/<module>`, relative to its folder."""
        files = (path.relative_to(self.folder) for path in tracked_files(self.folder))
        return [path for path in files if path.parts[0] not in _NOT_SHIPPED]


def read_source(project: Path, module: str) -> ModuleSource:
    """Return the inputs of `module`'s image as they are in the working tree.

    Raises:
        ImageError: There is no such module, or this is not a git repository.
    """
    folder = project / "packages" / FOLDERS.get(module, module)
    if not (folder / "Dockerfile").is_file() and not (folder / "pyproject.toml").is_file():
        raise ImageError(f"There is no module {module!r}: {folder} has no pyproject.toml.")
    package = _distribution(folder)
    lock_part = locked_requirements(project, package)
    members = {_distribution(project / path): project / path for path in sorted(_MEMBER.findall(lock_part))}
    digest = hashlib.sha256(lock_part.encode())
    inputs = [*members.values(), *(project / path for path in _ALSO_COPIED.get(module, ()))]
    for part in inputs:
        for path in tracked_files(part):
            digest.update(f"\0{path.relative_to(project)}\0{int(path.stat().st_mode & 0o100 > 0)}\0".encode())
            digest.update(hashlib.sha256(_content(project, path)).digest())
    created = _last_commit(project, [*inputs, project / "uv.lock"])
    return ModuleSource(module, package, folder, members, lock_part, created, digest.hexdigest())


def _content(project: Path, path: Path) -> bytes:
    """Return the part of a file that counts; for a configuration everything except Airflow's image, its own name."""
    if path.parent != project / "config" or path.suffix != ".toml":
        return path.read_bytes()
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    values.get("airflow", {}).pop("image", None)
    return json.dumps(values, sort_keys=True).encode()


def tracked_files(folder: Path) -> list[Path]:
    """Return the files of `folder` that git knows or would add, sorted.

    Raises:
        ImageError: `folder` is not inside a git work tree.
    """
    done = run_git(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "."], folder)
    if done.returncode != 0:
        raise ImageError(f"{folder} is not in a git work tree ({done.stderr.strip()}). Clone the repository with git.")
    names = sorted({name for name in done.stdout.split("\0") if name})
    return [path for name in names if (path := folder / name).is_file()]


def _last_commit(project: Path, paths: Sequence[Path]) -> str:
    done = run_git(["log", "-1", "--format=%cI", "--", *map(str, paths)], project)
    return done.stdout.strip()


def _distribution(folder: Path) -> str:
    return str(tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
