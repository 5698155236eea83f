"""Release versions: MAJOR.MINOR.PATCH, tagged `vMAJOR.MINOR.PATCH` in git."""

from collections.abc import Callable, Iterable
from typing import Literal

from packaging.version import InvalidVersion, Version

Bump = Literal["major", "minor", "patch"]
FIRST = "0.1.0"
NONE = Version("0")
"""The version before the first release."""


def parse(text: str) -> Version | None:
    """Return the version that `text` names, or None if it is not MAJOR.MINOR.PATCH."""
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return version if text == f"{version.major}.{version.minor}.{version.micro}" else None


def latest(candidates: Iterable[str]) -> str | None:
    """Return the highest version among `candidates`; anything that is not a version is skipped."""
    known = [(parsed, text) for text in candidates if (parsed := parse(text)) is not None]
    return max(known)[1] if known else None


def bumped(version: str, bump: Bump) -> str:
    """Return the version after `version`.

    Raises:
        ValueError: `version` is not MAJOR.MINOR.PATCH.
    """
    parsed = parse(version)
    if parsed is None:
        raise ValueError(f"{version!r} is not MAJOR.MINOR.PATCH")
    major, minor, patch = parsed.release
    return {
        "major": f"{major + 1}.0.0",
        "minor": f"{major}.{minor + 1}.0",
        "patch": f"{major}.{minor}.{patch + 1}",
    }[bump]


def next_version(released: str | None, bump: Bump, taken: Callable[[str], bool]) -> str:
    """Return the version of the next release.

    `taken` says whether the registry has the version on another image: a release that died after its push and was
    changed since must not reuse its tags.
    """
    version = FIRST if released is None else bumped(released, bump)
    while taken(version):
        version = bumped(version, "patch")
    return version
