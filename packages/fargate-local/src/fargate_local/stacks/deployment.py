"""One creation or update of a stack: resource by resource, told in its events, undone when one fails.

User guide, "Stack failure options", "DeletionPolicy attribute", "UpdateReplacePolicy attribute", "Stack status codes"
(read November 2026). Resources are made one after the other, where CloudFormation makes several at a time.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fargate_local.stacks.deletion import delete_one
from fargate_local.stacks.events import event, resources, say, set_status
from fargate_local.stacks.exports import publish, withdraw
from fargate_local.stacks.failures import StepFailedError, reason_of
from fargate_local.stacks.kinds import Made, MustReplaceError
from fargate_local.stacks.order import creation_order, needed
from fargate_local.stacks.resource import Resource, Target
from fargate_local.stacks.rollback import Rollback, Snapshot, Step, undo_creation

OnFailure = Literal["ROLLBACK", "DELETE", "DO_NOTHING"]
PSEUDO: Final = ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")


@dataclass(slots=True)
class Deployment:
    """What a stack is in the middle of: what was done so far, and what has to come true before it is complete."""

    stack: Any
    action: Literal["CREATE", "UPDATE"]
    on_failure: OnFailure = "ROLLBACK"
    waiting: dict[str, str] = field(default_factory=dict)
    """Logical ids that are not stable yet, with what is done to each: CREATE or UPDATE."""
    pending: list[str] = field(default_factory=list)
    """Logical ids that nothing was done about yet, in the order of their creation."""
    present: dict[str, Resource] = field(default_factory=dict)
    """What the stack had before, by logical id."""
    done: list[Step] = field(default_factory=list)
    before: Snapshot | None = None
    """The stack before an update."""
    since: float = field(default_factory=time.time)
    """When it began, in seconds since the epoch."""
    leftover: list[Resource] = field(default_factory=list)
    """What an update put others in the place of, or took out of the template."""

    def run(self) -> None:
        """Make or change every resource; what has to be waited for is left in `waiting`."""
        stack, self.present = self.stack, resources(self.stack)
        for logical_id in (name for name in self.present if not wanted(stack, name)):
            self.leftover.append(self.present[logical_id])
            stack.resource_map._parsed_resources.pop(logical_id)
        self.pending = [name for name in order(stack) if wanted(stack, name)]
        self._go_on()

    def _go_on(self) -> None:
        """Make or change what needs nothing that is waited for."""
        try:
            for logical_id in tuple(self.pending):
                if not self._held_up(logical_id):
                    self.pending.remove(logical_id)
                    self._make_or_change(logical_id)
        except StepFailedError as failure:
            self.fail(failure)
            return
        if not self.waiting:
            self._complete()

    def _held_up(self, logical_id: str) -> bool:
        needs = set(needed(self.stack.template_dict["Resources"][logical_id]))
        return not needs.isdisjoint({*self.waiting, *self.pending})

    def _make_or_change(self, logical_id: str) -> None:
        if logical_id in self.present:
            self._change(self.present[logical_id])
        else:
            self._make(logical_id)

    def settle(self, logical_id: str, problem: str = "") -> None:
        """Hear that a resource is stable, or what keeps it from becoming so."""
        action = self.waiting.pop(logical_id)
        resource = Resource.of(self.stack, logical_id)
        if problem:
            self._say(logical_id, f"{action}_FAILED", problem)
            self.fail(StepFailedError(logical_id, problem))
            return
        say(self.stack, resource, f"{action}_COMPLETE")
        self._go_on()

    def fail(self, failure: StepFailedError) -> None:
        """Undo what was done, as far as the caller asked for it."""
        for logical_id, action in self.waiting.items():
            self._say(logical_id, f"{action}_FAILED", "Resource creation cancelled")
        self.waiting.clear()
        if self.action == "UPDATE":
            self._roll_back_update(failure)
        else:
            self._roll_back_creation(failure)

    def _make(self, logical_id: str) -> None:
        stack = self.stack
        self._say(logical_id, "CREATE_IN_PROGRESS")
        try:
            resource = Resource.make(stack, logical_id)
        except Exception as error:
            why = reason_of(error)
            self._say(logical_id, "CREATE_FAILED", why)
            raise StepFailedError(logical_id, why) from error
        self.done.append(Step("create", resource))
        self._made(resource, "CREATE")

    def _made(self, resource: Resource, action: str) -> None:
        if resource.waits:
            self.waiting[resource.logical_id] = action
            say(self.stack, resource, f"{action}_IN_PROGRESS", "Resource creation Initiated")
        else:
            say(self.stack, resource, f"{action}_COMPLETE")

    def _change(self, old: Resource) -> None:
        try:
            target = Target.of(self.stack, old.logical_id, old)
            if target.same_as(old):
                old.document = target.document
                return
            say(self.stack, old, "UPDATE_IN_PROGRESS")
            new = self._changed(target, old)
        except Exception as error:
            why = reason_of(error)
            say(self.stack, old, "UPDATE_FAILED", why)
            raise StepFailedError(old.logical_id, why) from error
        self._made(new, "UPDATE")

    def _changed(self, target: Target, old: Resource) -> Resource:
        try:
            new = target.update(self.stack, old)
        except MustReplaceError:
            new = target.replace(self.stack, old)
            self.done.append(Step("replace", new, old))
            self.leftover.append(old)
        except Exception:
            # Some of its calls may have been made.
            if isinstance(old.thing, Made):
                self.done.append(
                    Step("update", Resource(old.logical_id, old.type, target.document, old.name, old.thing), old)
                )
            raise
        else:
            self.done.append(Step("update", new, old))
        return new

    def _complete(self) -> None:
        stack = self.stack
        try:
            publish(stack)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an output fails the stack, not the request
            self.fail(StepFailedError("", reason_of(error)))
            return
        if self.leftover:
            set_status(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            for resource in reversed(self.leftover):
                with_policy = resource.replaced_policy if resource.replaced else resource.deletion_policy
                delete_one(stack, resource, keep=with_policy in ("Retain", "RetainExceptOnCreate"), told=True)
        set_status(stack, f"{self.action}_COMPLETE")
        stack.deployment = None

    def _roll_back_creation(self, failure: StepFailedError) -> None:
        stack = self.stack
        stack.deployment = None
        withdraw(stack)
        said = failure.summary("create")
        if self.on_failure == "DO_NOTHING":
            set_status(stack, "CREATE_FAILED", said)
        else:
            undo_creation(stack, "DELETE" if self.on_failure == "DELETE" else "ROLLBACK", said)

    def _roll_back_update(self, failure: StepFailedError) -> None:
        stack = self.stack
        if self.before is None:
            return
        stack.rollback, stack.deployment = Rollback(self.before, self.done), None
        if self.on_failure == "DO_NOTHING":
            set_status(stack, "UPDATE_FAILED", failure.summary("update"))
            return
        stack.rollback.run(stack, failure.summary("update"))

    def _say(self, logical_id: str, status: str, reason: str | None = None) -> None:
        document = self.stack.resource_map._resource_json_map.get(logical_id, {})
        known = resources(self.stack).get(logical_id)
        physical = known.physical_id if known else ""
        event(self.stack, logical_id, physical, document.get("Type", ""), status, reason)


def order(stack: Any) -> list[str]:
    """Return a stack's logical ids in the order of their creation."""
    template = stack.template_dict
    pseudo = (f"AWS::{name}" for name in PSEUDO)
    return creation_order(template["Resources"], frozenset({*template.get("Parameters", {}), *pseudo}))


def wanted(stack: Any, logical_id: str) -> bool:
    """Return whether a resource's condition holds."""
    condition = stack.template_dict["Resources"].get(logical_id, {}).get("Condition")
    return logical_id in stack.template_dict["Resources"] and (
        not condition or bool(stack.resource_map.lazy_condition_map[condition])
    )
