"""Errors of building and keeping images.

ImageError
├── BuildError     a build step failed; carries the step's output
└── RegistryError  the registry lacks an image, or holds another one than expected
"""

from datavision.errors import UserError
from datavision.exit_codes import FAILURE


class ImageError(UserError):
    """An image cannot be built, found or used."""


class BuildError(ImageError):
    """A build step failed; the text is the step and its output."""

    exit_code = FAILURE


class RegistryError(ImageError):
    """The registry lacks an image, or has another one than expected."""
