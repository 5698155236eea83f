"""Properties of a template turned into the parameters of the API call that makes the resource."""

import json
from collections.abc import Mapping
from typing import Any, Final

NUMBERS: Final = {"integer": int, "long": int, "float": float, "double": float}


class PropertyError(ValueError):
    """A property that is not made here, or whose value cannot be one; the text names it."""


class AlreadyExistsError(ValueError):
    """There is such a resource already; the text names it."""


def parameters(properties: Mapping[str, Any], shape: Any, renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return properties as the input of an API operation; `renamed` are those with another name there.

    Raises:
        PropertyError: The operation knows no such parameter.
    """
    given: dict[str, Any] = matched({renamed.get(name, name): value for name, value in properties.items()}, shape, "")
    return given


def matched(value: Any, shape: Any, path: str) -> Any:
    """Return a value in a shape of botocore's: names in its spelling, numbers, truths and documents in its types.

    Raises:
        PropertyError: The shape knows no such name, or the value does not fit.
    """
    kind = shape.type_name
    try:
        if kind == "structure":
            return of_structure(value, shape, path)
        if kind == "list":
            items = value if isinstance(value, list) else [value]
            return [matched(item, shape.member, path) for item in items]
        if kind == "map":
            return {str(key): matched(item, shape.value, f"{path}/{key}") for key, item in value.items()}
        if kind in NUMBERS:
            return NUMBERS[kind](value)
    except PropertyError:
        raise
    except (TypeError, AttributeError, ValueError) as error:
        message = f"#{path or '/'}: expected type: {kind}, found: {type(value).__name__}"
        raise PropertyError(message) from error
    if kind == "boolean":
        return str(value).lower() == "true"
    if kind == "string":
        return as_text(value)
    return value.encode() if kind == "blob" and isinstance(value, str) else value


def of_structure(value: Any, shape: Any, path: str) -> dict[str, Any]:
    """Return an object with the names of a structure.

    Raises:
        PropertyError: The structure has no such member.
    """
    members = {name.lower(): name for name in shape.members}
    found = {}
    for name, item in value.items():
        known = members.get(name.lower())
        if known is None:
            raise PropertyError(extraneous(name, path))
        if item is not None:
            found[known] = matched(item, shape.members[known], f"{path}/{name}")
    return found


def extraneous(name: str, path: str = "") -> str:
    """Return CloudFormation's words for a property that is not made here."""
    return f"#{path}: extraneous key [{name}] is not permitted (fargate-local does not make this property)"


def as_text(value: Any) -> str:
    """Return a value as the API takes it in a string: documents as JSON, truths in small letters."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
