"""What each pipeline was pinned to, since when, by whom and why: read from the commits of its pin."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from datavision.config import Config
from datavision.errors import PinError
from datavision.pins import Pin, PinnedImage, parse_pin, pin_path, render_pin
from datavision.release.errors import ReleaseError, UnknownRelease
from datavision.release.pins.git import PinRepository
from datavision.state import project_root, state_dir

TAG_PREFIX = "v"
BUNDLE_NAME = "dags.git"


@dataclass(frozen=True)
class PinnedVersion:
    """One entry in a pipeline's history: a commit that changed its pin."""

    pin: Pin
    commit: str
    """The commit of the pin itself."""


def bundle_path(state: Path) -> Path:
    """Return the bare repository that holds the DAGs and pins of `local`, Airflow's git bundle there."""
    return state / BUNDLE_NAME


def repository(config: Config) -> PinRepository:
    """Return the repository that keeps the pins of `config`'s environment."""
    if config.env == "local":
        return PinRepository.bare(bundle_path(state_dir()))
    return PinRepository.of_project(project_root())


def path_in_repository(env: str, pipeline: str) -> str:
    """Return the path of a pin inside its repository, e.g. `dags/pins/prod/pipeline_fact_rfm.toml`."""
    return pin_path(Path("dags"), env, pipeline).as_posix()


def pipelines(project: Path) -> list[str]:
    """Return the DAG ids that are pinned: the names of `dags/pipeline_*.py`.

    Raises:
        ReleaseError: there are none.
    """
    found = sorted(path.stem for path in (project / "dags").glob("pipeline_*.py"))
    if not found:
        raise ReleaseError(f"{project / 'dags'} has no pipeline_*.py: there is nothing to pin.")
    return found


def require_pipeline(project: Path, pipeline: str) -> None:
    """Raise `ReleaseError` when there is no such pipeline."""
    known = pipelines(project)
    if pipeline not in known:
        raise ReleaseError(f"There is no pipeline {pipeline!r}. Use one of: {', '.join(known)}.")


def current_pins(repo: PinRepository, env: str, names: list[str]) -> dict[str, Pin]:
    """Return the pin of each pipeline that has one at HEAD; a malformed one is none, and is written anew."""
    if repo.head() is None:
        return {}
    found = {}
    for name in names:
        path = path_in_repository(env, name)
        with suppress(PinError):
            found[name] = parse_pin(repo.read("HEAD", path) or "", path)
    return found


def history(repo: PinRepository, env: str, pipeline: str) -> list[PinnedVersion]:
    """Return every pin that `pipeline` had in `env`, newest first; what was malformed is left out."""
    path = path_in_repository(env, pipeline)
    entries = []
    for commit in repo.log("--", path):
        text = repo.read(commit.id, path)
        try:
            pin = parse_pin(text or "", f"{commit.id[:9]}:{path}")
        except PinError:
            continue
        entries.append(PinnedVersion(pin, commit.id))
    return entries


def find_version(entries: list[PinnedVersion], pipeline: str, version: str) -> Pin:
    """Return the newest pin with `version`.

    Raises:
        UnknownRelease: the pipeline never had it; the text lists what it had.
    """
    for entry in entries:
        if entry.pin.version == version.removeprefix(TAG_PREFIX):
            return entry.pin
    known = ", ".join(dict.fromkeys(entry.pin.version for entry in entries)) or "none"
    raise UnknownRelease(
        f"{pipeline} never had release {version}. It had: {known}. See `datavision history {pipeline}`."
    )


@dataclass(frozen=True)
class PinChange:
    """Pins to write in one commit."""

    env: str
    pins: Mapping[str, Pin]
    title: str
    tag: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files of the commit: path → text."""


def commit_pins(repo: PinRepository, change: PinChange, dags: Mapping[str, str | None] | None = None) -> str:
    """Write pins in one commit (none when all are there already), tag it, bring the working tree to it.

    `dags` (path → stored object) replaces everything else in the tree: the bundle of `local` mirrors the working tree.
    Returns the commit.

    Raises:
        ReleaseError: somebody else committed meanwhile, or the tag exists.
    """
    head = repo.head()
    texts = {path_in_repository(change.env, name): render_pin(pin) for name, pin in change.pins.items()}
    texts |= change.files
    blobs: dict[str, str | None] = {path: repo.store_text(text) for path, text in texts.items()}
    tree = repo.tree({**(dags or {}), **blobs}, None if dags is not None else head)
    body = [change.title, ""]
    body += [f"{name}: {pin.version}" for name, pin in sorted(change.pins.items())]
    commit = repo.commit(tree, head, "\n".join(body) + "\n", tag=change.tag)
    if commit != head:
        repo.check_out(list(texts))
    return commit


def finish_checkout(repo: PinRepository) -> None:
    """Bring to HEAD what a killed release committed and did not check out.

    Only files that still are exactly as before that commit are touched; anything else is somebody's edit.
    """
    head = repo.head()
    if repo.work_tree is None or head is None:
        return
    dirty = set(repo.dirty_files())
    stale = [
        path
        for path in repo.changed_paths(head)
        if path in dirty and _is_pin_or_changelog(path) and _text(repo.work_tree / path) == repo.read(f"{head}~1", path)
    ]
    repo.check_out(stale)


def last_release(repo: PinRepository, env: str) -> str | None:
    """Return the commit of the newest release of, or promotion to, `env`."""
    commits = repo.log("-1", "--extended-regexp", f"--grep=^(Release|Promote) .* to {env}$")
    return commits[0].id if commits else None


def unpinned(images: Mapping[str, PinnedImage], pins: Mapping[str, Pin], names: list[str]) -> list[str]:
    """Return the pipelines without a pin that names every module of `images`."""
    return [name for name in names if name not in pins or set(images) - set(pins[name].images)]


def now() -> str:
    """Return the present as pins write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_pin_or_changelog(path: str) -> bool:
    return path == "CHANGELOG.md" or re.fullmatch(r"dags/pins/\w+/\w+\.toml", path) is not None


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
