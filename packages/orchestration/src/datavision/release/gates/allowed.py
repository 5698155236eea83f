"""The findings that a release may have: `infra/scan-allowed.toml`, each with a reason and an expiry date."""

import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datavision.release.errors import GateError
from datavision.state import project_root


class Allowed(BaseModel):
    """One finding that is allowed until a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Z]+-[\w-]+$")
    """As the scan names it, e.g. CVE-2026-12345."""
    reason: str = Field(min_length=20)
    expires: date
    """The first day on which it is no longer allowed."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    allowed: tuple[Allowed, ...] = ()


def allowed_file() -> Path:
    """Return the list's path."""
    return project_root() / "infra" / "scan-allowed.toml"


def read_allowed(path: Path, today: date) -> frozenset[str]:
    """Return the ids that are allowed today; none without a file.

    Raises:
        GateError: The file is malformed, or an entry has expired; the text names it.
    """
    if not path.exists():
        return frozenset()
    try:
        entries = _File(**tomllib.loads(path.read_text(encoding="utf-8"))).allowed
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise GateError(f"{path} is not valid: {error}. Each entry has id, reason and expires (a date).") from None
    expired = [entry for entry in entries if entry.expires <= today]
    if expired:
        raise GateError(f"{path}: {_listed(expired)}. Nothing was changed. Remove what has expired, or extend it.")
    return frozenset(entry.id for entry in entries)


def _listed(entries: Sequence[Allowed]) -> str:
    return "; ".join(f"{entry.id} was allowed until {entry.expires} ({entry.reason})" for entry in entries)
