"""The changelog entry of a release."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from datavision.pins import PinnedImage
from datavision.release.pins.git import PinRepository
from datavision.release.versions import latest

_UNRELEASED = "## Unreleased"


def with_release(repo: PinRepository, version: str, images: Mapping[str, PinnedImage]) -> str:
    """Return CHANGELOG.md with an entry for `version`.

    The entry is what stands under "Unreleased" or, if that is empty, the commits since the last release.
    """
    text = repo.read("HEAD", "CHANGELOG.md") or f"# Changelog\n\n{_UNRELEASED}\n"
    last = latest(tag.removeprefix("v") for tag in repo.tags())
    commits = repo.log(*((f"v{last}..HEAD",) if last else ("-20",)), "--no-merges")
    subjects = [commit.message.splitlines()[0] for commit in commits]
    lines = [f"- {module}: `{image.tag}` `{image.digest[:19]}`" for module, image in sorted(images.items())]
    return insert_release(text, f"## {version} ({datetime.now(UTC):%Y-%m-%d})", lines, subjects)


def insert_release(text: str, heading: str, images: Sequence[str], subjects: Sequence[str]) -> str:
    """Return the changelog `text` with a new entry below its (then empty) "Unreleased" heading."""
    before, found, rest = text.partition(_UNRELEASED)
    if not found:
        before, separator, rest = text.partition("\n## ")
        before, rest = before.rstrip() + "\n\n", f"\n\n## {rest}" if separator else "\n"
    start = rest.find("\n## ")
    notes, older = (rest, "") if start < 0 else (rest[:start], rest[start:].lstrip("\n"))
    body = notes.strip() or "\n".join(f"- {subject}" for subject in subjects)
    parts = [f"{before}{_UNRELEASED}", heading, body, "Images:\n\n" + "\n".join(images), older.rstrip()]
    return "\n\n".join(part for part in parts if part) + "\n"
