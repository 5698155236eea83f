"""What each pipeline was pinned to, since when, by whom and why: read from the commits of its pin."""

from contextlib import suppress
from dataclasses import dataclass

from datavision.errors import PinError
from datavision.pins import Pin, parse_pin
from datavision.release.errors import UnknownRelease
from datavision.release.pins import trailers
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import TAG_PREFIX, path_in_repository


@dataclass(frozen=True)
class PinnedVersion:
    """One entry in a pipeline's history: a commit that changed its pin."""

    pin: Pin
    commit: str
    """The commit of the pin itself."""


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


def history(repo: PinRepository, env: str, pipeline: str) -> list[PinnedVersion]:
    """Return every pin that `pipeline` had in `env`, newest first; malformed ones are skipped."""
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
