"""One resource of a stack: a thing of moto's or of ours, with the part of the template that it was made from."""

from dataclasses import dataclass
from typing import Any, Final

from fargate_local.stacks.kinds import Made, MustReplaceError
from fargate_local.stacks.makers import with_stack_tags
from fargate_local.stacks.order import TemplateError

NESTED: Final = "AWS::CloudFormation::Stack"


@dataclass(slots=True, eq=False)
class Resource:
    """A resource that exists; `document` is its part of the template with every reference resolved."""

    logical_id: str
    type: str
    document: dict[str, Any]
    name: str
    thing: Any
    """What moto's parser keeps of it: one of its models, or a `Made`."""
    replaced: bool = False

    @property
    def physical_id(self) -> str:
        """What `Ref` stands for."""
        return str(getattr(self.thing, "physical_resource_id", "") or "")

    @property
    def waits(self) -> bool:
        """Whether something outside moto has to come true before it counts as made."""
        nested = self.type == NESTED and self.thing.status.endswith("_IN_PROGRESS")
        return bool(getattr(self.thing, "waits", False)) or nested or not self.thing.is_created()

    @property
    def deletion_policy(self) -> str:
        """What becomes of it when it leaves its stack."""
        return str(self.document.get("DeletionPolicy", "Delete"))

    @property
    def replaced_policy(self) -> str:
        """What becomes of it when another takes its place."""
        return str(self.document.get("UpdateReplacePolicy", "Delete"))

    @property
    def retained(self) -> bool:
        """Whether it stays when its stack is deleted."""
        return self.deletion_policy in ("Retain", "RetainExceptOnCreate")

    @classmethod
    def of(cls, stack: Any, logical_id: str) -> "Resource":
        """Return a resource that a stack has made."""
        found: Resource = stack.resource_map._parsed_resources[logical_id].of_stack
        return found

    @classmethod
    def make(cls, stack: Any, logical_id: str) -> "Resource":
        """Make a resource of a stack's template."""
        return Target.of(stack, logical_id).make(stack)

    def put_back(self, stack: Any, changed: "Resource") -> None:
        """Change the resource back to what it was before an update."""
        target = Target(self.logical_id, self.type, self.document, self.name)
        self.thing = target.update(stack, changed).thing
        self.thing.of_stack = self

    def delete(self, stack: Any) -> None:
        """Delete it; one with the policy `Snapshot` leaves a snapshot.

        Raises:
            ClientError: The service refuses.
        """
        if isinstance(self.thing, Made):
            resource_class(self.type).delete(self.thing, self.document, stack.account_id, stack.region_name)
        else:
            stack.resource_map._delete_resource(self.thing, self.document)


@dataclass(frozen=True, slots=True)
class Target:
    """What a template wants a resource to be."""

    logical_id: str
    type: str
    document: dict[str, Any]
    name: str

    @classmethod
    def of(cls, stack: Any, logical_id: str, known: Resource | None = None) -> "Target":
        """Resolve the references of one part of the template; a name that is made up stays the one that is `known`."""
        from moto.cloudformation import parsing

        part = stack.resource_map._resource_json_map[logical_id]
        _, document, name = parsing.parse_resource_and_generate_name(logical_id, part, stack.resource_map)
        document["Properties"] = with_stack_tags(
            resource_class(document["Type"]), document.get("Properties", {}), stack.tags
        )
        if known and not named_by_template(document):
            name = known.name
        return cls(logical_id, document["Type"], document, str(name))

    def same_as(self, resource: Resource) -> bool:
        """Return whether a resource is already what is wanted."""
        return (self.type, self.document["Properties"]) == (resource.type, resource.document["Properties"])

    def make(self, stack: Any) -> Resource:
        """Make it.

        Raises:
            TemplateError: It is a stack, and that failed.
        """
        more = {"LogicalId": self.logical_id, "StackId": stack.stack_id, "ResourceType": self.type}
        thing = resource_class(self.type).create_from_cloudformation_json(
            self.name, self.document, stack.account_id, stack.region_name, **more
        )
        if self.type == NESTED and not thing.status.endswith(("_IN_PROGRESS", "CREATE_COMPLETE")):
            thing.delete()
            message = f"Embedded stack {thing.stack_id} was not successfully created: it became {thing.status}"
            raise TemplateError(message)
        return self.keep(stack, thing)

    def update(self, stack: Any, old: Resource) -> Resource:
        """Change a resource in place.

        Raises:
            MustReplaceError: Only another one in its place can be what is wanted.
        """
        maker = resource_class(self.type)
        update = getattr(maker, "update_from_cloudformation_json", None)
        renamed = isinstance(old.thing, Made) and self.name != old.name
        if self.type != old.type or renamed or hasattr(update, "__isabstractmethod__"):
            raise MustReplaceError
        thing = maker.update_from_cloudformation_json(
            original_resource=old.thing,
            new_resource_name=self.name,
            cloudformation_json=self.document,
            account_id=stack.account_id,
            region_name=stack.region_name,
        )
        return self.keep(stack, thing if thing is not None else old.thing)

    def replace(self, stack: Any, old: Resource) -> Resource:
        """Make another resource in a resource's place, which stays for now.

        Raises:
            TemplateError: It has a name of the template's, which only one can have.
        """
        named = named_by_template(self.document)
        if named and self.name == old.name and self.type == old.type and not renewed(self.type):
            message = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename"
                f" {self.name} and update the stack again."
            )
            raise TemplateError(message)
        old.replaced = True
        return (self if named else Target.of(stack, self.logical_id)).make(stack)

    def keep(self, stack: Any, thing: Any) -> Resource:
        """Let a thing that was made or changed be the stack's resource."""
        resource = Resource(self.logical_id, self.type, self.document, self.name, thing)
        thing.cf_resource_type, thing.logical_resource_id, thing.of_stack = self.type, self.logical_id, resource
        stack.resource_map._parsed_resources[self.logical_id] = thing
        tag_of_ec2(stack, self.logical_id, thing)
        return resource


def named_by_template(document: dict[str, Any]) -> bool:
    """Return whether a template gives a resource its name."""
    from moto.cloudformation import parsing

    name = parsing.resource_name_property_from_type(document["Type"])
    return bool(name) and name in document.get("Properties", {})


def renewed(kind: str) -> bool:
    """Return whether a change of a type's resource makes another one beside it, of the same name."""
    return bool(getattr(resource_class(kind), "renewed", False))


def resource_class(kind: str) -> Any:
    """Return what makes resources of a type."""
    from moto.cloudformation import parsing

    return parsing.resource_class_from_type(kind)


def tag_of_ec2(stack: Any, logical_id: str, thing: Any) -> None:
    """Give one of moto's EC2 resources the tags of its stack, as moto does."""
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.core import TaggedEC2Resource

    ident = getattr(thing, "physical_resource_id", None)
    if ident and isinstance(thing, TaggedEC2Resource):
        tags = {
            **stack.tags,
            "aws:cloudformation:stack-name": stack.name,
            "aws:cloudformation:stack-id": stack.stack_id,
            "aws:cloudformation:logical-id": logical_id,
        }
        ec2_backends[stack.account_id][stack.region_name].create_tags([str(ident)], tags)
