"""CreateStack, UpdateStack and their kin: what is checked first, and the deployment that they begin."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fargate_local.stacks import deployment
from fargate_local.stacks.events import set_status
from fargate_local.stacks.exports import withdraw
from fargate_local.stacks.order import TemplateError, creation_order
from fargate_local.stacks.rollback import Snapshot


def create(stack: Any, on_failure: deployment.OnFailure) -> None:
    """Make what the template of a new stack wants."""
    check(stack.template_dict, stack.resource_map)
    stack.disable_rollback = on_failure == "DO_NOTHING"
    set_status(stack, "CREATE_IN_PROGRESS", "User Initiated")
    stack.deployment = deployment.Deployment(stack, "CREATE", on_failure)
    stack.deployment.run()


def update(stack: Any, template: Any, parameters: Mapping[str, Any], tags: Mapping[str, str] | None) -> None:
    """Bring a stack to what a template wants now.

    Raises:
        ValidationError: CloudFormation would refuse to begin.
    """
    from moto.cloudformation.exceptions import ValidationError

    before, on_failure = Snapshot.of(stack), stack.__dict__.pop("on_failure", "ROLLBACK")
    stack.template, stack.parameters = template, parameters
    stack.tags = stack.tags if tags is None else tags
    try:
        with refusing():
            stack._parse_template()
        if (stack.template_dict, parameters, stack.tags) == (before.template_dict, before.parameters, before.tags):
            raise ValidationError(message="No updates are to be performed.")
        with refusing():
            stack.resource_map = stack._create_resource_map()
            check(stack.template_dict, stack.resource_map)
    except BaseException:
        before.restore(stack)
        raise
    for name, resource in before.made.items():
        stack.resource_map._parsed_resources[name] = resource.thing
    stack.description = stack.template_dict.get("Description")
    set_status(stack, "UPDATE_IN_PROGRESS", "User Initiated")
    stack.disable_rollback = on_failure == "DO_NOTHING"
    stack.deployment = deployment.Deployment(stack, "UPDATE", on_failure, before=before)
    stack.deployment.run()


def check(template: dict[str, Any], resource_map: Any) -> None:
    """Check what CloudFormation checks before it makes anything.

    Raises:
        ValidationError: It would refuse the template.
    """
    from moto.cloudformation import parsing
    from moto.cloudformation.exceptions import ValidationError

    unknown = []
    for resource in template["Resources"].values():
        condition = resource.get("Condition")
        if condition and not resource_map.lazy_condition_map[condition]:
            continue
        try:
            parsing.resource_class_from_type(resource["Type"])
        except ValidationError:
            unknown.append(resource["Type"])
    if unknown:
        listed = ", ".join(dict.fromkeys(unknown))
        raise ValidationError(message=f"Template format error: Unrecognized resource types: [{listed}]")
    pseudo = {f"AWS::{name}" for name in deployment.PSEUDO}
    try:
        creation_order(template["Resources"], frozenset({*template.get("Parameters", {}), *pseudo}))
    except TemplateError as error:
        raise ValidationError(message=str(error)) from error


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse a template for whatever goes wrong in the block, where it is read.

    Raises:
        CloudFormationError: moto refuses it.
        ValidationError: Something went wrong that moto has no words for.
    """
    from moto.cloudformation.exceptions import CloudFormationError, ValidationError

    try:
        yield
    except CloudFormationError:
        raise
    except Exception as error:
        raise ValidationError(message=f"Template format error: {type(error).__name__}: {error}") from error


def create_stack(backend: Any, name: str, template: Any, parameters: dict[str, Any], more: Mapping[str, Any]) -> Any:
    """Create a stack; `more` are moto's further arguments of one.

    Raises:
        AlreadyExistsException: There is one of this name.
        ValidationError: CloudFormation would refuse the template.
    """
    from moto.cloudformation.exceptions import AlreadyExistsException
    from moto.cloudformation.models import Stack
    from moto.cloudformation.utils import generate_stack_id

    stack_class: Any = Stack

    if name in [stack.name for stack in backend.stacks.values()]:
        message = f"Stack [{name}] already exists"
        raise AlreadyExistsException(message)
    on_failure = backend.__dict__.pop("on_failure", "ROLLBACK")
    stack_id = generate_stack_id(name, backend.region_name, backend.account_id)
    about = {"account_id": backend.account_id, "region_name": backend.region_name}
    with refusing():
        stack = stack_class(
            stack_id, name, template, parameters, **about, cross_stack_resources=backend.exports, **more
        )
        check(stack.template_dict, stack.resource_map)
    backend.stacks[stack_id] = stack
    create(stack, on_failure)
    forget_deleted(backend, stack)
    return stack


def delete_stack(backend: Any, name_or_stack_id: str) -> None:
    """Delete a stack, if there is one of this name or id.

    Raises:
        ValidationError: It is protected.
    """
    from moto.cloudformation.exceptions import ValidationError

    for stack in list(backend.stacks.values()):
        if name_or_stack_id in (stack.name, stack.stack_id):
            if stack.enable_termination_protection:
                message = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
                raise ValidationError(message=message)
            stack.delete()
            forget_deleted(backend, stack)


def execute_change_set(backend: Any, change_set_name: str) -> None:
    """Create or update a stack as a change set says, which may say what becomes of it on failure.

    Raises:
        ValidationError: It has been executed, or changes nothing.
    """
    from moto.cloudformation.exceptions import ValidationError

    change_set = backend.describe_change_set(change_set_name)
    stack = backend.stacks[change_set.stack_id]
    if change_set.execution_status != "AVAILABLE":
        message = f"ChangeSet [{change_set_name}] cannot be executed in its current status of [{change_set.status}]"
        raise ValidationError(message=message)
    if change_set.change_set_type == "CREATE":
        stack.template, stack.cross_stack_resources = change_set.template, backend.exports
        with refusing():
            stack._parse_template()
            stack.resource_map = stack._create_resource_map()
            check(stack.template_dict, stack.resource_map)
        create(stack, change_set.on_failure)
    else:
        stack.on_failure = change_set.on_failure
        update(stack, change_set.template, change_set.parameters, change_set.tags or None)
    stack.capabilities = change_set.capabilities
    change_set.execution_status = "EXECUTE_COMPLETE"


def forget_deleted(backend: Any, stack: Any) -> None:
    """Keep a stack that is deleted among those that are, under its id only."""
    if stack.status == "DELETE_COMPLETE":
        withdraw(stack)
        backend.stacks.pop(stack.stack_id)
        backend.deleted_stacks[stack.stack_id] = stack
