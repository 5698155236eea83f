"""Everything ingesta raises on purpose, each with its exit code.

IngestaError
├── UsageError       2  command line, configuration or structure of the source: a retry changes nothing
├── LoadError        1  something did not answer or is full: worth a retry
└── QualityError     3  the load is done, its data failed the gate
"""

from datavision_runtime import exit_codes


class IngestaError(Exception):
    """The root of the tree; the message says what to do next and holds no secret."""

    exit_code = exit_codes.FAILURE


class UsageError(IngestaError):
    """The request can never succeed as it is."""

    exit_code = exit_codes.USAGE


class LoadError(IngestaError):
    """The load did not happen; nothing of it is visible."""


class QualityError(IngestaError):
    """A quality check at level `error` failed."""

    exit_code = exit_codes.QUALITY
