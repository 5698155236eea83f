"""Errors a user can cause.

UserError                one clear sentence with the next step; exit code 2, no traceback
├── ConfigError          config/<env>.toml or a DATAVISION_… variable
├── PinError             dags/pins/<env>/<pipeline>.toml
└── …                    each layer adds its own below, in its own module
"""

from datavision.exit_codes import USAGE


class UserError(Exception):
    """Something the user can fix; the text says what was found and what to do next."""

    exit_code = USAGE


class ConfigError(UserError):
    """A configuration file or variable is missing, unknown or invalid."""


class PinError(UserError):
    """A pin is missing, malformed, or names something that does not exist."""
