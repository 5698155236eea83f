"""A stack's outputs, and the exports of a region that other stacks import."""

from typing import Any

from fargate_local.stacks.order import TemplateError


def publish(stack: Any) -> None:
    """Let a stack show its outputs and export what its template exports, in the place of what it exported before.

    Raises:
        TemplateError: Another stack exports the same name.
    """
    shown = stack._create_output_map()
    mine = {export.name: export for export in shown.exports}
    known = all_exports(stack)
    for name in mine:
        if name in known and known[name].exporting_stack_id != stack.stack_id:
            owner = known[name].exporting_stack_id.split("/")[-2]
            message = f"Export with name {name} is already exported by stack {owner}. Rename it, or delete that stack."
            raise TemplateError(message)
    withdraw(stack)
    known.update(mine)
    stack.output_map = shown
    for _ in stack.output_map.values():  # evaluated now, when a wrong one can still fail the stack
        pass


def withdraw(stack: Any) -> None:
    """Let a stack show and export nothing."""
    known = all_exports(stack)
    for name in [name for name, export in known.items() if export.exporting_stack_id == stack.stack_id]:
        known.pop(name)
    stack.output_map._output_json_map, stack.output_map._parsed_outputs = {}, {}


def all_exports(stack: Any) -> dict[str, Any]:
    """Return the exports of a stack's region by name."""
    from moto.cloudformation.models import cloudformation_backends

    found: dict[str, Any] = cloudformation_backends[stack.account_id][stack.region_name].exports
    return found
