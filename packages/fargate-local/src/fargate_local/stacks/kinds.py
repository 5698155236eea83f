"""Kinds of resources: how one of a type is made, changed and deleted with the calls of its service's API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from fargate_local.stacks.matching import PropertyError, parameters

Properties = dict[str, Any]


class MustReplaceError(Exception):
    """A change that only another resource in its place can bring."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Who makes the calls of a stack's resources: boto3 clients of one region, inside the change that moto is at."""

    region: str
    account: str
    client: Callable[[str, str], Any]
    """(service, region) → boto3 client."""

    def __call__(self, service: str) -> Any:
        """Return the client of a service."""
        return self.client(service, self.region)

    def input(self, service: str, operation: str) -> Any:
        """Return the shape of an operation's input."""
        return self(service).meta.service_model.operation_model(operation).input_shape

    def do(self, service: str, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation by its name in the API."""
        client = self(service)
        answer: dict[str, Any] = getattr(client, methods(client)[operation])(**given)
        return answer


@cache
def methods(client: Any) -> dict[str, str]:
    """Return a client's methods by operation."""
    return {operation: method for method, operation in client.meta.method_to_api_mapping.items()}


@dataclass(slots=True)
class Made:
    """A resource as moto's parser of templates sees it: what `Ref` and `Fn::GetAtt` of it stand for."""

    physical_resource_id: str
    attributes: dict[str, str] = field(default_factory=dict)
    waits: bool = False
    """Whether something outside moto has to come true before it counts as made."""
    cf_resource_type: str = ""
    logical_resource_id: str = ""
    name: str = ""
    of_stack: Any = None

    def get_cfn_attribute(self, name: str) -> str:
        """Return what `Fn::GetAtt` stands for.

        Raises:
            UnformattedGetAttTemplateException: It has no such attribute.
        """
        from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

        if name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[name]

    @staticmethod
    def is_created() -> bool:
        """Return whether moto need not wait for it: never, whoever waits asks `waits`."""
        return True


@dataclass(frozen=True)
class Kind:
    """One resource type.

    Everything is given as words of the service's API: the operations that make, change and delete one, the parameter
    that names it there, and where its answer holds what the template can ask for.
    """

    type: str
    service: str
    creates: str
    deletes: str
    by: str
    """The parameter that says which one; with `[]` at its end it takes a list."""
    name: str = ""
    """The property that names it, or nothing when the service makes up an identifier."""
    ident: str = ""
    """Where the answer to `creates` has the identifier, with dots; by default it is the name."""
    found: Callable[[Calls, Any], str] | None = None
    """Returns the identifier from the answer to `creates`, where it is not simply there."""
    updates: str = ""
    """The operation that changes one; without it a changed property of `creates` replaces the resource."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    """Properties whose change replaces the resource."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Where the answer to `creates` has each attribute, with dots, or a text with `{id}`, `{region}`, `{account}`."""
    applied: frozenset[str] = frozenset()
    """Properties that only `apply` brings about."""
    on_update: frozenset[str] = frozenset()
    """Properties that `creates` takes, and whose changes `apply` brings about."""
    apply: Callable[[Calls, Made, Properties, Properties | None], None] | None = None
    """Called after each creation and change with the properties, and those before."""
    named: Callable[[Properties], str] = lambda _: ""
    """Returns its name where it stands deeper in the properties."""
    given: Callable[[Calls, str, Properties], Properties] | None = None
    """Returns the properties as `creates` takes them."""
    changed: Callable[[Calls, str, Properties], Properties] | None = None
    """Returns the properties as `updates` takes them."""
    before_delete: Callable[[Calls, Made], None] | None = None
    tags: Literal["", "list", "map"] = ""
    """How it takes tags in its property `Tags`, if it does."""
    retags: tuple[str, str, str] | None = None
    """Operations that add and remove tags, and the parameter that names the resource there."""
    api_tags: Callable[[Any], Any] = lambda tags: tags
    """Returns tags as the API has them."""
    tagged_by: str = "id"
    """The attribute that names it to the calls of `retags`."""
    deleted_with: Callable[[Properties], Properties] = lambda _: {}
    """Returns further parameters of `deletes` for the properties."""
    renewed: bool = False
    """Whether a change makes another one beside it, of the same name."""
    waits: bool = False
    """Whether something outside moto has to come true before it counts as made or changed."""

    def create(self, calls: Calls, name: str, properties: Properties) -> Made:
        """Make one.

        Raises:
            PropertyError: A property is not made here.
        """
        name = self.named(properties) or name
        given = self.given(calls, name, properties) if self.given else self._named(name, properties)
        answer = calls.do(self.service, self.creates, self._input(calls, self.creates, given))
        made = Made(self._ident(calls, name, answer), name=name)
        made.attributes = {each: str(at(answer, where)) for each, where in self.attributes.items() if "{" not in where}
        self._describe(calls, made, properties)
        try:
            self._apply(calls, made, properties, None)
        except Exception:
            # Nobody would know of it, and its name would be taken.
            self.delete(calls, made)
            raise
        made.waits = self.waits
        return made

    def update(self, calls: Calls, made: Made, properties: Properties, before: Properties) -> None:
        """Change one in place.

        Raises:
            MustReplaceError: The change needs another resource.
        """
        changed = {name for name in {*properties, *before} if properties.get(name) != before.get(name)}
        called = changed - self.applied - self.on_update - ({"Tags"} if self.retags else set())
        if self.fixed & changed or (called and (self.renewed or not self.updates)):
            raise MustReplaceError
        if called:
            given = self.changed(calls, made.name, properties) if self.changed else properties
            calls.do(self.service, self.updates, self._change(calls, made, given, called))
        if self.retags and "Tags" in changed:
            self._retag(calls, made, properties.get("Tags", []), before.get("Tags", []))
        self._describe(calls, made, properties)
        self._apply(calls, made, properties, before)

    def delete(self, calls: Calls, made: Made) -> None:
        """Delete one."""
        if self.before_delete:
            self.before_delete(calls, made)
        if self.deletes:
            more = self.deleted_with(made.of_stack.document["Properties"] if made.of_stack else {})
            calls.do(self.service, self.deletes, {**self._which(made), **more})

    def _describe(self, calls: Calls, made: Made, properties: Properties) -> None:
        """Set the attributes that are made up of identifiers and properties."""
        texts = {name: value for name, value in properties.items() if isinstance(value, str)}
        about = {
            **texts,
            self.name or "name": made.name,
            "id": made.physical_resource_id,
            "region": calls.region,
            "account": calls.account,
        }
        for name, where in self.attributes.items():
            if "{" in where:
                made.attributes[name] = where.format_map(about)

    def _ident(self, calls: Calls, name: str, answer: dict[str, Any]) -> str:
        if self.found:
            return self.found(calls, answer)
        return str(at(answer, self.ident)) if self.ident else name

    def _named(self, name: str, properties: Properties) -> Properties:
        return {**({self.name: name} if self.name else {}), **properties}

    def _input(self, calls: Calls, operation: str, properties: Properties) -> dict[str, Any]:
        given = {name: value for name, value in properties.items() if name not in self.applied}
        return parameters(given, calls.input(self.service, operation), self.renamed)

    def _change(self, calls: Calls, made: Made, properties: Properties, called: set[str]) -> dict[str, Any]:
        members = {name.lower() for name in calls.input(self.service, self.updates).members}
        known = {name for name in properties if self.renamed.get(name, name).lower() in members}
        if not self.changed and called - known and self.updates != self.creates:
            raise MustReplaceError
        given = {name: value for name, value in properties.items() if name in known}
        if self.updates == self.creates:
            given = self._named(made.name, given)
        return {**self._input(calls, self.updates, given), **(self._which(made) if self.by.lower() in members else {})}

    def _which(self, made: Made) -> dict[str, Any]:
        ident = made.physical_resource_id
        return {self.by.removesuffix("[]"): [ident] if self.by.endswith("[]") else ident}

    def _apply(self, calls: Calls, made: Made, properties: Properties, before: Properties | None) -> None:
        if self.apply:
            self.apply(calls, made, properties, before)

    def _retag(self, calls: Calls, made: Made, wanted: Any, known: Any) -> None:
        add, remove, by = self.retags or ("", "", "")
        about = made.attributes.get(self.tagged_by, made.physical_resource_id)
        which = {by.removesuffix("[]"): [about] if by.endswith("[]") else about}
        gone = [key for key in tag_map(known) if key not in tag_map(wanted)]
        if gone:
            taken = calls.input(self.service, remove).members
            keys = next((name for name in taken if name.lower().endswith("keys")), "")
            calls.do(
                self.service, remove, {**which, **({keys: gone} if keys else {"Tags": [{"Key": k} for k in gone]})}
            )
        if wanted:
            shape = calls.input(self.service, add)
            form = next(member for name, member in shape.members.items() if name.lower() == "tags")
            tags = tag_map(wanted) if form.type_name == "map" else self.api_tags(wanted)
            calls.do(self.service, add, parameters({**which, "Tags": tags}, shape, {}))


def at(answer: Any, path: str) -> Any:
    """Return what an answer has at a path with dots; numbers count in lists.

    Raises:
        PropertyError: It has nothing there.
    """
    for step in path.split("."):
        try:
            answer = answer[int(step)] if isinstance(answer, list) else answer[step]
        except (LookupError, TypeError):
            message = f"the service's answer has no {path}"
            raise PropertyError(message) from None
    return answer


def tag_map(tags: Any) -> dict[str, str]:
    """Return tags in either form as a mapping."""
    if isinstance(tags, dict):
        return tags
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or []}
