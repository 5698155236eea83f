"""moto's CloudFormation with our deployments of stacks in the place of its own.

moto 5.2 keeps parsing templates, parameters, conditions and functions, and answering the questions about stacks. What
it does with resources is replaced: it knows neither rollbacks nor events of resources, and drops what it does not know.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fargate_local.cloud.replaced import original
from fargate_local.stacks import operations
from fargate_local.stacks.attributes import with_whole_attributes
from fargate_local.stacks.capabilities import asking, name_capabilities
from fargate_local.stacks.deletion import delete
from fargate_local.stacks.drift.answers import drift_of_resource
from fargate_local.stacks.dynamic import resolved
from fargate_local.stacks.events import resources
from fargate_local.stacks.makers import Maker
from fargate_local.stacks.rollback import continue_rollback, roll_back
from fargate_local.stacks.signals import hear_signals

Client = Callable[[str, str], Any]


def take_over(client: Client, kinds: Mapping[str, Any]) -> None:
    """Have moto's stacks made by these kinds of resources, and by its own models where there is none.

    May be called again: the last call counts.
    """
    makers = {name: Maker(kind, client) for name, kind in kinds.items()}
    replace_parsing(client, makers)
    replace_backend()
    replace_stack()
    replace_answers()
    replace_requests()
    add_rollbacks()
    name_capabilities()
    hear_signals()


def replace_parsing(client: Client, makers: Mapping[str, Maker]) -> None:
    """Let moto's parser find our kinds, refuse what nobody can make, and resolve dynamic references."""
    from moto.cloudformation import parsing
    from moto.cloudformation.custom_model import CustomModel
    from moto.cloudformation.exceptions import ValidationError

    parse = original(parsing, "parse_resource")
    name_property = original(parsing, "resource_name_property_from_type")

    def class_of(kind: str) -> Any:
        found: Any = makers.get(kind) or parsing.get_model_map().get(kind)
        if kind.startswith("Custom::"):
            found = CustomModel
        if found is None:
            raise ValidationError(message=f"Template format error: Unrecognized resource types: [{kind}]")
        return found

    def parse_resource(resource_json: dict[str, Any], resources_map: Any) -> Any:
        kind, document, name = parse({"Properties": {}, **resource_json}, resources_map)
        region = resources_map["AWS::Region"]
        return kind, resolved(document, lambda service: client(service, region)), name

    def resource_name_property_from_type(kind: str) -> str | None:
        return makers[kind].kind.name or None if kind in makers else name_property(kind)

    setattr(parsing, "resource_class_from_type", class_of)  # noqa: B010 - mypy knows moto's functions
    setattr(parsing, "parse_resource", parse_resource)  # noqa: B010 - and does not let them change
    setattr(parsing, "resource_name_property_from_type", resource_name_property_from_type)  # noqa: B010 - as above


def replace_stack() -> None:
    """Let a stack make, change, delete and show its resources our way."""
    from moto.cloudformation.models import Stack

    parse = original(Stack, "parse_template")

    def parse_template(template: str) -> Any:
        return with_whole_attributes(parse(template))

    def create_resources(self: Any) -> None:
        operations.create(self, "ROLLBACK")

    def change(self: Any, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None) -> None:
        operations.update(self, template, {} if parameters is None else parameters, tags)
        self.role_arn = role_arn

    def verify_readiness(self: Any) -> None:
        for name, resource in resources(self).items():
            if self.deployment and name in self.deployment.waiting and resource.thing.is_created():
                self.deployment.settle(name)

    def stack_resources(self: Any) -> list[Any]:
        return [resource.thing for resource in resources(self).values()]

    for name, value in (
        ("parse_template", staticmethod(parse_template)),
        ("deployment", None),
        ("rollback", None),
        ("stack_status_reason", None),
        ("create_resources", create_resources),
        ("update", change),
        ("delete", delete),
        ("verify_readiness", verify_readiness),
        ("stack_resources", property(stack_resources)),
    ):
        setattr(Stack, name, value)


def replace_backend() -> None:
    """Let the calls that create, update and delete stacks go through our deployments."""
    from moto.cloudformation.models import CloudFormationBackend

    def create_stack(
        self: Any, name: str, template: Any, parameters: dict[str, Any], notification_arns: Any = None,
        tags: Any = None, role_arn: Any = None, enable_termination_protection: bool | None = False,
        timeout_in_mins: int | None = None, stack_policy_body: str | None = None,
    ) -> Any:  # fmt: skip
        more = {
            "notification_arns": notification_arns,
            "tags": tags,
            "role_arn": role_arn,
            "enable_termination_protection": enable_termination_protection,
            "timeout_in_mins": timeout_in_mins,
            "stack_policy_body": stack_policy_body,
        }
        return operations.create_stack(self, name, template, parameters, more)

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        operations.execute_change_set(self, change_set_name)

    for name, value in (
        ("create_stack", create_stack),
        ("delete_stack", operations.delete_stack),
        ("execute_change_set", execute_change_set),
    ):
        setattr(CloudFormationBackend, name, value)


def replace_answers() -> None:
    """Let answers about resources say what became of each."""
    from moto.cloudformation import responses
    from moto.core.responses import ActionResult

    answer_class, shown_class = responses.CloudFormationResponse, responses.StackResourceDTO
    show = original(shown_class, "__init__")

    def shown(self: Any, stack: Any, resource: Any) -> None:
        show(self, stack, resource)
        last = last_event(stack, resource)
        if last:
            self.resource_status, self.timestamp = last.resource_status, last.timestamp
            self.last_updated_timestamp = last.timestamp
            self.resource_status_reason = last.resource_status_reason
        self.drift_information = drift_of_resource(stack, self.logical_resource_id)

    def list_stack_resources(self: Any) -> Any:
        stack, found = self.cloudformation_backend.list_stack_resources(self._get_param("StackName"))
        return ActionResult({"StackResourceSummaries": [shown_class(stack, resource) for resource in found]})

    setattr(shown_class, "__init__", shown)  # noqa: B010 - mypy does not let it change
    setattr(answer_class, "list_stack_resources", list_stack_resources)  # noqa: B010 - as above


def replace_requests() -> None:
    """Let requests say what they want of failures and what they acknowledge, and refuse those that cannot begin."""
    from moto.cloudformation.exceptions import ValidationError
    from moto.cloudformation.responses import CloudFormationResponse

    actions = ("create_stack", "update_stack", "create_change_set", "execute_change_set")
    create, update, create_set, execute_set = (original(CloudFormationResponse, name) for name in actions)

    def create_stack(self: Any) -> Any:
        self.cloudformation_backend.on_failure = on_failure(self)
        return create(self)

    def update_stack(self: Any) -> Any:
        self.cloudformation_backend.get_stack(self._get_param("StackName")).on_failure = on_failure(self)
        return update(self)

    def create_change_set(self: Any) -> Any:
        answered = create_set(self)
        self.cloudformation_backend.describe_change_set(answered.result["Id"]).on_failure = on_failure(self)
        return answered

    def execute_change_set(self: Any) -> Any:
        change_set = self.cloudformation_backend.describe_change_set(self._get_param("ChangeSetName"))
        if self._get_bool_param("DisableRollback", False):
            change_set.on_failure = "DO_NOTHING"
        return execute_set(self)

    def validate_status(self: Any, stack: Any) -> None:
        status = stack.status
        if status.endswith(("_IN_PROGRESS", "_FAILED")) or status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
            message = f"Stack:{stack.stack_id} is in {status} state and can not be updated."
            raise ValidationError(stack.stack_id, message=message)

    for name, value in (
        ("create_stack", asking(create_stack, macros=True)),
        ("update_stack", asking(update_stack, macros=True)),
        ("create_change_set", asking(create_change_set, macros=False)),
        ("execute_change_set", execute_change_set),
        ("_validate_status", validate_status),
    ):
        setattr(CloudFormationResponse, name, value)


def add_rollbacks() -> None:
    """Let moto's CloudFormation answer ContinueUpdateRollback and RollbackStack."""
    from moto.cloudformation.responses import CloudFormationResponse
    from moto.core.responses import ActionResult, EmptyResult

    def continue_update_rollback(self: Any) -> Any:
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        continue_rollback(stack, self._get_param("ResourcesToSkip", []))
        return EmptyResult()

    def rollback_stack(self: Any) -> Any:
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        roll_back(stack)
        return ActionResult({"StackId": stack.stack_id})

    setattr(CloudFormationResponse, "continue_update_rollback", continue_update_rollback)  # noqa: B010 - not moto's
    setattr(CloudFormationResponse, "rollback_stack", rollback_stack)  # noqa: B010 - as above


def on_failure(request: Any) -> str:
    """Return what a request wants to become of a stack that fails."""
    asked = request._get_param("OnFailure") or request._get_param("OnStackFailure")
    return asked or ("DO_NOTHING" if request._get_bool_param("DisableRollback", False) else "ROLLBACK")


def last_event(stack: Any, resource: Any) -> Any:
    """Return the last event about a resource, or None."""
    name = resource.logical_resource_id
    return next((event for event in reversed(stack.events) if event.logical_resource_id == name), None)
