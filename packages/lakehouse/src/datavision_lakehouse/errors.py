"""Everything this package raises on purpose.

LakehouseError
├── ConfigurationError    the settings cannot work as they are (exit code 2: retrying is useless)
│   └── NotInitialized    nothing was ever written to this lakehouse
├── UnknownLoad           `at` names no load, snapshot or moment of this lakehouse
└── Unavailable           catalog or storage did not answer (exit code 1: worth a retry)
"""


class LakehouseError(Exception):
    """The root of the tree. The message is one or two sentences, ends with the next step and holds no secret."""


class ConfigurationError(LakehouseError):
    """A setting is missing, malformed or contradicts what the lakehouse recorded."""


class NotInitialized(ConfigurationError):  # noqa: N818 - reads as the state that it reports
    """The catalog database exists but holds no lakehouse yet."""


class UnknownLoad(LakehouseError):  # noqa: N818 - reads as the state that it reports
    """The requested earlier state does not exist, or was expired by housekeeping."""


class Unavailable(LakehouseError):  # noqa: N818 - reads as the state that it reports
    """The catalog database or the storage could not be reached."""
