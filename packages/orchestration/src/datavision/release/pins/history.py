"""What each pipeline was pinned to, since when, by whom and why: read from the commits of its pin."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from datavision.errors import PinError
from datavision.pins import Pin, parse_pin
from datavision.release.errors import UnknownRelease
from datavision.release.pins import trailers
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import TAG_PREFIX, path_in_repository

_parsed = lru_cache(maxsize=5_000)(parse_pin)
"""A commit's pin never changes, and the page asks for a pipeline's entire history again and again."""


@dataclass(frozen=True)
class PinnedVersion:
    """One entry in a pipeline's history: a commit that changed its pin."""

    pin: Pin
    commit: str
    """The commit of the pin itself."""
    action: trailers.Action | None = None
    """What wrote it; None: a commit that is no release, promotion or rollback."""


def current_pins(repo: PinRepository, env: str, names: list[str]) -> dict[str, Pin]:
    """Return the pin of each pipeline that has one at HEAD; a malformed one counts as missing and is rewritten."""
    if repo.head() is None:
        return {}
    found = {}
    for name in names:
        path = path_in_repository(env, name)
        with suppress(PinError):
            found[name] = parse_pin(repo.read("HEAD", path) or "", path)
    return found


def history(repo: PinRepository, env: str, pipeline: str, limit: int | None = None) -> list[PinnedVersion]:
    """Return the pins that `pipeline` had in `env`, newest first, at most `limit`; malformed ones are skipped."""
    path = path_in_repository(env, pipeline)
    commits = repo.log(*(() if limit is None else (f"--max-count={limit}",)), "--", path)
    entries = []
    for commit, text in zip(commits, repo.read_all([f"{commit.id}:{path}" for commit in commits]), strict=True):
        said = trailers.parse(commit.message)
        with suppress(PinError):
            pin = _parsed(text or "", f"{commit.id[:9]}:{path}")
            entries.append(PinnedVersion(pin, commit.id, said.action if said else None))
    return entries


def find_version(entries: list[PinnedVersion], pipeline: str, version: str) -> Pin:
    """Return the newest pin with `version`.

    Raises:
        UnknownRelease: The pipeline never had it; the text lists what it had.
    """
    for entry in entries:
        if entry.pin.version == version.removeprefix(TAG_PREFIX):
            return entry.pin
    known = ", ".join(dict.fromkeys(entry.pin.version for entry in entries)) or "none"
    raise UnknownRelease(
        f"{pipeline} never had release {version}. It had: {known}. See `datavision history {pipeline}`."
    )


def last_release(repo: PinRepository, env: str) -> str | None:
    """Return the commit of the newest release of, or promotion to, `env`."""
    for commit in repo.log("--", f"dags/pins/{env}"):
        said = trailers.parse(commit.message)
        if said and said.env == env and said.action in ("release", "promote"):
            return commit.id
    return None
