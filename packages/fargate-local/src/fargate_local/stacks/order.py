"""The order in which a template's resources are made: each after those that it needs."""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

REFERENCE: Final = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(ValueError):
    """A template that CloudFormation refuses before it makes anything; the text is CloudFormation's."""


def creation_order(resources: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """Return the logical ids of a template's resources, each after those that it refers to.

    Args:
        resources: the template's `Resources`.
        known: what else may be referred to: parameters and pseudo parameters.

    Raises:
        TemplateError: A reference leads nowhere, or in a circle.
    """
    needs = {name: list(dict.fromkeys(needed(resource))) for name, resource in resources.items()}
    missing = sorted({each for found in needs.values() for each in found} - set(resources) - known)
    if missing:
        listed = ", ".join(missing)
        message = f"Template format error: Unresolved resource dependencies [{listed}] in the Resources block of the"
        raise TemplateError(f"{message} template")
    graph = {name: [each for each in found if each in resources] for name, found in needs.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        message = f"Circular dependency between resources: [{', '.join(sorted(set(error.args[1])))}]"
        raise TemplateError(message) from error


def needed(resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that a resource needs: those in its `DependsOn`, and those that it refers to."""
    after = resource.get("DependsOn", [])
    yield from [after] if isinstance(after, str) else after
    yield from references({name: value for name, value in resource.items() if name != "DependsOn"})


def references(value: Any) -> Iterator[str]:
    """Yield the names that a part of a template refers to: in `Ref`, `Fn::GetAtt` and `Fn::Sub`."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            match key, item:
                case "Ref", str():
                    yield item
                case "Fn::GetAtt", [str(name), *_]:
                    yield name
                case "Fn::Sub", str():
                    yield from substituted(item)
                case "Fn::Sub", [str(text), dict(given)]:
                    yield from (name for name in substituted(text) if name not in given)
                    yield from references(given)
                case _:
                    yield from references(item)


def substituted(text: str) -> Iterator[str]:
    """Yield the names in the `${…}` of a text for `Fn::Sub`."""
    for found in REFERENCE.findall(text):
        yield found.partition(".")[0].strip()
