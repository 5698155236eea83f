"""The dbt project as installed, and a private folder for what dbt writes."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datavision_lakehouse import dbt_profile

PROJECT: Final = Path(__file__).parent / "dbt"
"""The dbt project: package data, which may be read-only."""

_PARTIAL_PARSE: Final = "partial_parse.msgpack"


@dataclass(frozen=True)
class Workspace:
    """Where one command keeps its profile, its artefacts and its log."""

    folder: Path

    @property
    def target(self) -> Path:
        """Where dbt keeps its parse results and compiled SQL."""
        return self.folder / "target"

    def arguments(self, *, artifacts: bool = False) -> list[str]:
        """Return the dbt options that keep every file it writes inside this folder.

        Args:
            artifacts: Whether it writes its manifest and its results as JSON, which takes a moment.
        """
        return [
            *("--project-dir", str(PROJECT)),
            *("--profiles-dir", str(self.folder)),
            *("--target-path", str(self.target)),
            *("--log-path", str(self.folder / "logs")),
            *("--log-level-file", "none"),
            # We report the run ourselves: dbt would log escape codes, and each failure twice.
            *("--log-level", "none"),
            "--no-use-colors",
            "--write-json" if artifacts else "--no-write-json",
        ]


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Make a temporary folder that is removed at the end of the block.

    Two simultaneous commands never share a file; dbt's parse results are passed on from one command to the next.
    """
    with tempfile.TemporaryDirectory(prefix="transformacion-") as name:
        space = Workspace(Path(name))
        space.target.mkdir()
        profile = {"datavision": {"target": "lago", "outputs": {"lago": dbt_profile()}}}
        (space.folder / "profiles.yml").write_text(json.dumps(profile), encoding="utf-8")
        kept = parse_cache(PROJECT)
        if kept.is_file():
            shutil.copyfile(kept, space.target / _PARTIAL_PARSE)
        yield space
        _keep(space.target / _PARTIAL_PARSE, kept)


def parse_cache(project: Path) -> Path:
    """Return where dbt's parse results for the project in this place are kept.

    Images of several releases share a temporary folder on a laptop. dbt would start from a newer release's project and,
    after a rollback, reject the older model for columns that only the newer one has.
    """
    place = hashlib.sha256(os.fsencode(project)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"transformacion-parse-{os.getuid()}" / place / _PARTIAL_PARSE


def project_version(project: Path) -> str:
    """Return a name for the content of the project's files, the same wherever it is installed."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*.*")):
        digest.update(path.relative_to(project).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _keep(parsed: Path, kept: Path) -> None:
    if not parsed.is_file():
        return
    kept.parent.parent.mkdir(mode=0o700, exist_ok=True)
    if kept.parent.parent.stat().st_uid != os.getuid():
        return
    kept.parent.mkdir(exist_ok=True)
    arriving = kept.with_suffix(f".{os.getpid()}")
    shutil.copyfile(parsed, arriving)
    arriving.replace(kept)
