"""SignalResource: how a stack hears that what it waits for has come true, or will not.

Whoever watches services and databases sends it through the gate like any other change, so that it is repeated at a
restart in its place.
"""

from typing import Any, Final

SENDER: Final = "fargate-local"
"""The unique id of our signals; after a colon it says why something failed."""


def hear_signals() -> None:
    """Let moto's CloudFormation answer SignalResource."""
    from moto.cloudformation.exceptions import ValidationError
    from moto.cloudformation.responses import CloudFormationResponse
    from moto.core.responses import EmptyResult

    def signal_resource(self: Any) -> Any:
        name, logical_id = self._get_param("StackName"), self._get_param("LogicalResourceId")
        stack = self.cloudformation_backend.get_stack(name)
        sender, _, problem = str(self._get_param("UniqueId")).partition(":")
        if stack.deployment is None or logical_id not in stack.deployment.waiting or sender != SENDER:
            message = f"Resource {logical_id} of stack {name} waits for no signal."
            raise ValidationError(message=message)
        stack.deployment.settle(logical_id, problem)
        return EmptyResult()

    setattr(CloudFormationResponse, "signal_resource", signal_resource)  # noqa: B010 - it is not one of moto's
