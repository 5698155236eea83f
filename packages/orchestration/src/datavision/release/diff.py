"""What changed between two releases of a pipeline: commits per module, dependencies, dbt models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from datavision.config import Config
from datavision.images.source import FOLDERS
from datavision.pins import AIRFLOW, Pin
from datavision.release.errors import ReleaseError
from datavision.release.pins.git import PinRepository
from datavision.release.pins.history import PinnedVersion, find_version, history
from datavision.release.pins.places import repository, require_pinned
from datavision.state import project_root

_MODEL = re.compile(r"(?:models|snapshots)/(?:.+/)?(\w+)\.sql$")
_PACKAGE = re.compile(r'^\[\[package\]\]\nname = "([^"]+)"\n(?:version = "([^"]+)"\n)?', re.MULTILINE)
_STATUS = {"A": "added", "D": "removed", "M": "changed", "R": "renamed", "T": "changed"}


@dataclass(frozen=True)
class Diff:
    """The difference from `before` to `after`."""

    pipeline: str
    before: str
    after: str
    images: dict[str, tuple[str | None, str | None]]
    """Modules whose image differs: module → (tag before, tag after)."""
    commits: dict[str, list[str]]
    """Commits that touched a module or a package it needs: module → `id subject`, newest first."""
    dependencies: dict[str, tuple[str | None, str | None]]
    """Locked packages that differ: name → (version before, version after)."""
    models: dict[str, str]
    """dbt models and snapshots: name → added, removed, changed or renamed."""


def diff(config: Config, pipeline: str, before: str, after: str) -> Diff:
    """Return what changed for `pipeline` between two versions it has had.

    Raises:
        UnknownRelease: It never had one of them.
        ReleaseError: This clone lacks the commit of one of them.
    """
    project = project_root()
    require_pinned(config, project, pipeline)
    entries = history(repository(config), config.env, pipeline)
    return compare(PinRepository.of_project(project), entries, pipeline, before, after)


def compare(repo: PinRepository, entries: list[PinnedVersion], pipeline: str, before: str, after: str) -> Diff:
    """Return what changed between two versions in the history `entries`, according to the project's repository.

    Raises:
        UnknownRelease: The history has not got one of them.
        ReleaseError: The repository lacks the commit of one of them.
    """
    old, new = (find_version(entries, pipeline, version) for version in (before, after))
    start, end = (_commit(repo, pin.commit, pin.version) for pin in (old, new))
    modules = sorted({*old.images, *new.images})
    return Diff(
        pipeline=pipeline,
        before=old.version,
        after=new.version,
        images={m: (_tag(old, m), _tag(new, m)) for m in modules if _digest(old, m) != _digest(new, m)},
        commits={module: _commits(repo, start, end, module) for module in modules},
        dependencies=changed_packages(_lock(repo, start), _lock(repo, end)),
        models=changed_models(repo.git("diff", "--name-status", start, end, "--", "packages/transformacion")),
    )


def changed_packages(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return the packages whose locked version differs: name → (before, after), None where it is absent."""
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def changed_models(name_status: str) -> dict[str, str]:
    """Return the dbt models and snapshots in the output of `git diff --name-status`."""
    found = {}
    for line in name_status.splitlines():
        status, *paths = line.split("\t")
        if match := _MODEL.search(paths[-1]):
            found[match[1]] = _STATUS.get(status[0], "changed")
    return dict(sorted(found.items()))


def locked_versions(lock: str) -> dict[str, str]:
    """Return package → version of a uv.lock, in which the two lines follow a package's head.

    A parser of TOML takes a fifth of a second for each lock, which somebody waits for.
    """
    return {name: version or "" for name, version in _PACKAGE.findall(lock)}


def _tag(pin: Pin, module: str) -> str | None:
    return pin.images[module].tag if module in pin.images else None


def _digest(pin: Pin, module: str) -> str | None:
    return pin.images[module].digest if module in pin.images else None


def _commit(repo: PinRepository, commit: str, version: str) -> str:
    """Return a commit that exists in git; a release of a modified working tree is represented by its base commit.

    Raises:
        ReleaseError: This clone lacks it.
    """
    known = commit.removesuffix("-dirty")
    try:
        return repo.git("rev-parse", "--verify", "--quiet", f"{known}^{{commit}}").strip()
    except ReleaseError:
        raise ReleaseError(
            f"Commit {known[:12]} of release {version} is not in this clone. Run `git fetch --all --tags`."
        ) from None


def _commits(repo: PinRepository, start: str, end: str, module: str) -> list[str]:
    folder = FOLDERS.get(module, module)
    paths = [f"packages/{folder}", "packages/runtime", *([] if module == AIRFLOW else ["packages/lakehouse"])]
    commits = repo.log("--no-merges", f"{start}..{end}", "--", *paths)
    return [f"{commit.id[:9]} {commit.message.splitlines()[0]}" for commit in commits]


def _lock(repo: PinRepository, commit: str) -> dict[str, str]:
    return locked_versions(repo.read(commit, "uv.lock") or "")
