"""Writes pins: all that change in one commit, or none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from datavision.pins import Pin, PinnedImage, images_of, render_pin
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import path_in_repository
from datavision.release.pins.trailers import Action, Statement, compose


@dataclass(frozen=True)
class PinChange:
    """Pins to write in one commit."""

    env: str
    pins: Mapping[str, Pin]
    title: str
    action: Action | None = None
    """None: no pin changes, only the DAGs beside them."""
    release: str = ""
    tag: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files of the commit: path → text."""


def commit_pins(repo: PinRepository, change: PinChange, dags: Mapping[str, str | None] | None = None) -> str:
    """Write pins in one commit, or none if they are all there; tag it, update the working tree, return the commit.

    `dags` (path → stored object) replaces everything else in the tree: the bundle of `local` mirrors the working tree.

    Raises:
        ReleaseError: Somebody else committed meanwhile, or the tag exists.
    """
    head = repo.head()
    texts = {path_in_repository(change.env, name): render_pin(pin) for name, pin in change.pins.items()}
    texts |= change.files
    blobs: dict[str, str | None] = {path: repo.store_text(text) for path, text in texts.items()}
    tree = repo.tree({**(dags or {}), **blobs}, None if dags is not None else head)
    commit = repo.commit(tree, head, _message(change), tag=change.tag)
    if commit != head:
        repo.check_out(list(texts))
    return commit


def finish_checkout(repo: PinRepository) -> None:
    """Check out what a killed release committed and did not check out.

    Only files that are still exactly as before that commit are touched; anything else is someone's edit.
    """
    head = repo.head()
    if head is None:
        return
    dirty = set(repo.dirty_files())
    stale = [
        path
        for path in repo.changed_paths(head)
        if path in dirty and _is_pin_or_changelog(path) and repo.working_text(path) == repo.read(f"{head}~1", path)
    ]
    repo.check_out(stale)


def unpinned(images: Mapping[str, PinnedImage], pins: Mapping[str, Pin], names: list[str]) -> list[str]:
    """Return the pipelines without a pin that names every module of `images`."""
    return [name for name in names if name not in pins or set(images_of(name, images)) - set(pins[name].images)]


def now() -> str:
    """Return the current time in the format of pins."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _message(change: PinChange) -> str:
    if change.action is None:
        return f"{change.title}\n"
    pairs = tuple((name, pin.version) for name, pin in sorted(change.pins.items()))
    return compose(Statement(change.action, change.env, change.release, pairs), change.title)


def _is_pin_or_changelog(path: str) -> bool:
    return path == "CHANGELOG.md" or re.fullmatch(r"dags/pins/\w+/\w+\.toml", path) is not None
