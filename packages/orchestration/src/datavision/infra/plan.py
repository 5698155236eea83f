"""What a deploy would do, found out first and changing nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from datavision.infra.changes import Change
from datavision.infra.cloudformation import SETTLED, StackEdge
from datavision.infra.stacks import FINGERPRINT_TAG, IMAGE, Stack

Verb = Literal["create", "update", "unchanged", "shared", "wait"]
"""`wait`: it is in progress, or a failed attempt left it; a deploy waits or makes it again, and then knows more."""


@dataclass(frozen=True)
class StackPlan:
    """What would happen to one stack."""

    stack: str
    verb: Verb
    changes: tuple[Change, ...] = ()
    """Of an update; a stack that does not exist yet gets all that its template says."""

    @property
    def asked_for(self) -> tuple[Change, ...]:
        """The changes that somebody has to agree to."""
        return tuple(change for change in self.changes if change.asked_for)


def plan_stack(edge: StackEdge, stack: Stack, current: Mapping[str, Any] | None, arguments: Any) -> StackPlan:
    """Return what a deploy of `stack` would do, which is now `current`; `arguments` are those of UpdateStack.

    Raises:
        InfraError: CloudFormation cannot say.
    """
    if current is None:
        return StackPlan(stack.name, "create")
    if current["StackStatus"] not in SETTLED:
        return StackPlan(stack.name, "wait")
    if is_up_to_date(stack, current):
        return StackPlan(stack.name, "unchanged")
    return StackPlan(stack.name, "update", tuple(edge.preview(arguments)))


def is_up_to_date(stack: Stack, current: Mapping[str, Any]) -> bool:
    """Say whether the stack was made from this template and these parameters."""
    made = any(tag["Key"] == FINGERPRINT_TAG and tag["Value"] == stack.fingerprint for tag in current.get("Tags", []))
    return made and stack.image == image_of(current)


def image_of(current: Mapping[str, Any]) -> str:
    """Return the image that a stack's containers run; empty without one."""
    found = (each["ParameterValue"] for each in current.get("Parameters", ()) if each["ParameterKey"] == IMAGE)
    return next(iter(found), "")
