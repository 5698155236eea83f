"""Errors of releases.

ReleaseError
├── DirtyTreeError   uncommitted changes outside `local`
├── LockedError      another release, promotion or rollback holds the environment
├── GateError        scan findings at or above the configured severity
├── CanaryError      a new image failed its doctor
└── UnknownRelease   no such version in the history of a pipeline
"""

from datavision.errors import UserError
from datavision.exit_codes import FAILURE


class ReleaseError(UserError):
    """A release, promotion or rollback cannot continue; nothing that runs was changed."""


class DirtyTreeError(ReleaseError):
    """The working tree has uncommitted changes."""


class LockedError(ReleaseError):
    """Someone else is changing this environment's pins."""

    exit_code = FAILURE


class GateError(ReleaseError):
    """The registry's scan, or the audit of the lock, found what is not let through."""

    exit_code = FAILURE


class CanaryError(ReleaseError):
    """A new image did not pass its own doctor."""

    exit_code = FAILURE


class UnknownRelease(ReleaseError):  # noqa: N818 - reads as the sentence it stands for
    """The version was never pinned here."""
