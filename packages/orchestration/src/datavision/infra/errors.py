"""Errors of an environment's stacks."""

from datavision.errors import UserError


class InfraError(UserError):
    """A stack is missing, cannot be changed, or lacks an output."""
