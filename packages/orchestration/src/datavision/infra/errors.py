"""What may be wrong with the stacks of an environment."""

from datavision.errors import UserError


class InfraError(UserError):
    """A stack is missing, cannot be changed, or lacks an output."""
