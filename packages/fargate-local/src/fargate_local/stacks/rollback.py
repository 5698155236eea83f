"""What undoes a failed creation or update of a stack: at once, or when somebody asks for it.

API reference, ContinueUpdateRollback, RollbackStack (read November 2026).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fargate_local.stacks.deletion import delete_one, finish_deletion
from fargate_local.stacks.events import resources, say, set_status
from fargate_local.stacks.exports import publish
from fargate_local.stacks.failures import reason_of
from fargate_local.stacks.resource import Resource


@dataclass(slots=True)
class Step:
    """One thing that was done; `old` is what there was before."""

    what: Literal["create", "update", "replace"]
    new: Resource
    old: Resource | None = None

    @property
    def logical_id(self) -> str:
        """Whose it was."""
        return self.new.logical_id

    def undo(self, stack: Any) -> bool:
        """Undo it; return whether that could be done. What cannot be deleted stays, as in CloudFormation."""
        if self.what != "update" or self.old is None:
            delete_one(stack, self.new, keep=False, told=True)
            return True
        say(stack, self.old, "UPDATE_IN_PROGRESS")
        self.new.thing.of_stack = self.new
        try:
            self.old.put_back(stack, self.new)
        except Exception as error:  # noqa: BLE001 - any problem of any service is the answer
            say(stack, self.old, "UPDATE_FAILED", reason_of(error))
            return False
        say(stack, self.old, "UPDATE_COMPLETE")
        return True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stack before an update."""

    resource_map: Any
    template: Any
    template_dict: Any
    parameters: Any
    tags: Any
    made: Mapping[str, Resource]

    @classmethod
    def of(cls, stack: Any) -> "Snapshot":
        """Take it."""
        made = resources(stack)
        return cls(stack.resource_map, stack.template, stack.template_dict, stack.parameters, stack.tags, made)

    def restore(self, stack: Any) -> None:
        """Let the stack be as it was."""
        stack.resource_map, stack.template = self.resource_map, self.template
        stack.template_dict, stack.parameters, stack.tags = self.template_dict, self.parameters, self.tags
        for name, resource in self.made.items():
            stack.resource_map._parsed_resources[name] = resource.thing
            resource.thing.of_stack, resource.replaced = resource, False
        publish(stack)


@dataclass(slots=True)
class Rollback:
    """What brings a stack back to what it was before an update, as far as that is still to do."""

    before: Snapshot
    steps: list[Step]

    def run(self, stack: Any, reason: str) -> None:
        """Undo what can be undone; the rest is left for another try."""
        set_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        self.steps = [step for step in reversed(self.steps) if not step.undo(stack)][::-1]
        self.before.restore(stack)
        if self.steps:
            failed = ", ".join(step.logical_id for step in self.steps)
            set_status(stack, "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{failed}].")
            return
        stack.rollback = None
        set_status(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        set_status(stack, "UPDATE_ROLLBACK_COMPLETE")

    def skip(self, stack: Any, logical_ids: Collection[str]) -> None:
        """Leave resources as they are, though they are not what the stack's template says."""
        for step in self.steps:
            if step.logical_id in logical_ids:
                say(stack, step.new, "UPDATE_COMPLETE")
        self.steps = [step for step in self.steps if step.logical_id not in logical_ids]


def undo_creation(stack: Any, verb: Literal["DELETE", "ROLLBACK"], said: str) -> None:
    """Delete what a failed creation made, except what is to be retained."""
    set_status(stack, f"{verb}_IN_PROGRESS", f"{said} {verb.title()} requested by user.".lstrip())
    kept = [each for each in resources(stack).values() if each.deletion_policy == "Retain"]
    finish_deletion(stack, [each.logical_id for each in kept], verb)


def continue_rollback(stack: Any, skipped: Collection[str]) -> None:
    """Try again to undo a failed update.

    Raises:
        ValidationError: There is none to undo, or a resource to skip is not among those that could not be undone.
    """
    from moto.cloudformation.exceptions import ValidationError

    if stack.status != "UPDATE_ROLLBACK_FAILED":
        message = f"Stack [{stack.name}] is in {stack.status} state and can not continue its rollback"
        raise ValidationError(message=message)
    failed = {step.logical_id for step in stack.rollback.steps}
    if others := sorted(set(skipped) - failed):
        message = f"The following resource(s) are not in UPDATE_FAILED state and can not be skipped: {others}"
        raise ValidationError(message=message)
    stack.rollback.skip(stack, skipped)
    stack.rollback.run(stack, "User Initiated")


def roll_back(stack: Any) -> None:
    """Undo a failed creation or update that was told to leave everything as it was.

    Raises:
        ValidationError: The stack is not in such a state.
    """
    from moto.cloudformation.exceptions import ValidationError

    if stack.status == "CREATE_FAILED":
        undo_creation(stack, "ROLLBACK", "")
    elif stack.status == "UPDATE_FAILED":
        stack.rollback.run(stack, "User Initiated")
    else:
        message = f"Stack [{stack.name}] is in {stack.status} state and can not be rolled back"
        raise ValidationError(message=message)
