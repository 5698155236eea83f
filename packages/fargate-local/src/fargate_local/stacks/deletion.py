"""The deletion of a stack's resources: of all, or of those that were made in vain."""

from collections.abc import Iterable
from typing import Any, Final

from fargate_local.stacks.events import resources, say, set_status
from fargate_local.stacks.failures import is_gone, reason_of
from fargate_local.stacks.resource import Resource

DELETE_PASSES: Final = 2
"""What hindered a deletion may be gone once the others are."""


def delete(stack: Any, retained: Iterable[str] = ()) -> None:
    """Delete a stack with all that it made, except what policies and the caller retain."""
    stack.deployment = None
    set_status(stack, "DELETE_IN_PROGRESS", "User Initiated")
    kept = [each.logical_id for each in resources(stack).values() if each.retained]
    finish_deletion(stack, [*kept, *retained], "DELETE")


def finish_deletion(stack: Any, kept: list[str], verb: str) -> None:
    """Delete what a stack made, except what is kept, and say how that ended."""
    left = list(reversed(resources(stack).values()))
    problems: dict[str, str] = {}
    for attempt in range(1, DELETE_PASSES + 1):
        told = attempt == DELETE_PASSES
        outcome = {each.logical_id: delete_one(stack, each, keep=each.logical_id in kept, told=told) for each in left}
        problems = {name: why for name, why in outcome.items() if why}
        left = [each for each in left if each.logical_id in problems]
        if not left:
            break
    if problems:
        failed = f"The following resource(s) failed to delete: [{', '.join(problems)}]."
        set_status(stack, f"{verb}_FAILED", failed)
    else:
        set_status(stack, f"{verb}_COMPLETE")


def delete_one(stack: Any, resource: Resource, *, keep: bool, told: bool) -> str | None:
    """Delete one resource, or let go of it; return what hinders that, in an event too if it is to be `told`."""
    if keep:
        say(stack, resource, "DELETE_SKIPPED")
    else:
        say(stack, resource, "DELETE_IN_PROGRESS")
        try:
            resource.delete(stack)
        except Exception as error:  # noqa: BLE001 - any problem of any service is the answer
            if not is_gone(error):
                why = reason_of(error)
                if told:
                    say(stack, resource, "DELETE_FAILED", why)
                return why
        say(stack, resource, "DELETE_COMPLETE")
    parsed = stack.resource_map._parsed_resources
    if parsed.get(resource.logical_id) is resource.thing:
        parsed.pop(resource.logical_id)
    return None
