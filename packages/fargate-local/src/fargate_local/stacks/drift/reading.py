"""How the actual properties of a resource are read from its service."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from fargate_local.stacks.failures import is_gone
from fargate_local.stacks.kinds import Calls, Made, Properties, tag_map


class GoneError(Exception):
    """There is no such resource any more."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one resource."""

    calls: Calls
    ident: str
    """Its physical id."""
    wanted: Properties
    """The properties of its template."""
    made: Made
    others: Callable[[str], Iterable[Properties]]
    """Returns the properties of all stacks' resources of a type: some are part of others' service's answer."""

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        """Call a service.

        Raises:
            GoneError: It does not know what is asked for.
            ClientError: It refuses.
        """
        try:
            return self.calls.do(service, operation, given)
        except ClientError as error:
            if is_gone(error):
                raise GoneError from error
            raise

    def maybe(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        """Call a service; return nothing if it does not know what is asked for."""
        try:
            return self.call(service, operation, **given)
        except GoneError:
            return {}


Read = Callable[[Look], Properties]
"""Returns the properties that the service tells of, None for those that are not set; raises GoneError."""


@dataclass(frozen=True)
class Described:
    """A resource that an operation describes, in an answer with nearly the names of the template."""

    service: str
    operation: str
    by: str
    """The parameter that says which one; with `[]` at its end it takes a list."""
    path: str = ""
    """Where the answer has it, with dots; numbers count in lists."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Properties with another name there; with dots for what is deeper in the answer."""
    more: Callable[[Look, dict[str, Any]], Properties] = lambda look, thing: {}
    """Returns further properties."""
    unread: frozenset[str] = frozenset()
    """Properties of which the answer does not tell what the template means."""
    given: Mapping[str, Any] = field(default_factory=dict)
    gone: Callable[[dict[str, Any]], bool] = lambda _: False
    """Returns whether what is described is on its way out."""

    def __call__(self, look: Look) -> Properties:
        """Read it.

        Raises:
            GoneError: There is none.
        """
        which = {self.by.removesuffix("[]"): [look.ident] if self.by.endswith("[]") else look.ident}
        thing = look.call(self.service, self.operation, **which, **self.given)
        shape = look.calls(self.service).meta.service_model.operation_model(self.operation).output_shape
        for step in self.path.split(".") if self.path else ():
            thing, shape = within(thing, shape, step)
        if self.gone(thing):
            raise GoneError
        found = {name: value for name in look.wanted if (value := self._told(name, thing, shape)) is not UNTOLD}
        return {**found, **self.more(look, thing)}

    def _told(self, name: str, thing: Any, shape: Any) -> Any:
        if name in self.unread:
            return UNTOLD
        for step in self.renamed.get(name, name).split("."):
            if shape.type_name == "list":
                thing, shape = (thing[0] if thing else {}), shape.member
            known = next((member for member in shape.members if member.lower() == step.lower()), None)
            if known is None:
                return UNTOLD
            thing, shape = (thing or {}).get(known), shape.members[known]
        return own_tags(thing) if name == "Tags" else thing


UNTOLD = object()


def within(thing: Any, shape: Any, step: str) -> tuple[Any, Any]:
    """Return what an answer and its shape have at a step.

    Raises:
        GoneError: The answer has nothing there.
    """
    try:
        if shape.type_name == "list":
            return thing[int(step)], shape.member
        return thing[step], shape.members[step]
    except LookupError:
        raise GoneError from None


def own_tags(tags: Any) -> list[dict[str, str]]:
    """Return tags in the form of templates, without those that AWS sets."""
    listed = [{k.lower().removeprefix("tag"): v for k, v in tag.items()} for tag in tags or []] if isinstance(
        tags, list
    ) else [{"key": key, "value": value} for key, value in (tags or {}).items()]  # fmt: skip
    return [{"Key": tag["key"], "Value": tag.get("value", "")} for tag in listed if not tag["key"].startswith("aws:")]


def tags_like(wanted: Any, tags: Any) -> Any:
    """Return tags in the form that a template has them in: a list, or a mapping."""
    return tag_map(own_tags(tags)) if isinstance(wanted, dict) else own_tags(tags)


def asked(look: Look, **properties: Callable[[], Any]) -> Properties:
    """Return those properties that the template sets, each read when it is."""
    return {name: read() for name, read in properties.items() if name in look.wanted}
