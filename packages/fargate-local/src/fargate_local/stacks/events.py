"""The events of a stack, and what it has."""

from typing import Any

from fargate_local.stacks.resource import Resource


def resources(stack: Any) -> dict[str, Resource]:
    """Return what a stack has made, in the order of its creation."""
    parsed = stack.resource_map._parsed_resources
    return {
        name: thing.of_stack for name, thing in parsed.items() if isinstance(getattr(thing, "of_stack", None), Resource)
    }


def say(stack: Any, resource: Resource, status: str, reason: str | None = None) -> None:
    """Add a resource's event to those of its stack."""
    event(stack, resource.logical_id, resource.physical_id, resource.type, status, reason)


def set_status(stack: Any, status: str, reason: str | None = None) -> None:
    """Move a stack on, with an event that says so."""
    stack.status, stack.stack_status_reason = status, reason
    event(stack, stack.name, stack.stack_id, "AWS::CloudFormation::Stack", status, reason)


def event(stack: Any, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None) -> None:
    """Add an event to those of a stack, and tell its topics."""
    from moto.cloudformation.models import Event

    added = Event(stack.stack_id, stack.name, logical_id, physical_id, kind, status, reason, None)
    added.sendToSns(stack.account_id, stack.region_name, stack.notification_arns)
    stack.events.append(added)
