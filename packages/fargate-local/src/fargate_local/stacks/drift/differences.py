"""What differs between the properties that a template gives a resource and those that its service tells.

User guide, "Detect unmanaged configuration changes to stacks and resources with drift detection" (read November 2026):
only properties that the template sets are compared; the order of a list's items does not matter here.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fargate_local.stacks.matching import as_text

DOCUMENTS: Final = ("Policy", "Document", "Text", "Body", "Pattern", "DefinitionString")
"""How the names of properties end that are documents: in these, a member that the template does not have counts too."""
MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One property that differs, at a path with slashes."""

    path: str
    expected: Any
    actual: Any
    kind: Literal["ADD", "REMOVE", "NOT_EQUAL"]

    def shown(self) -> dict[str, str]:
        """Return it as DescribeStackResourceDrifts does."""
        return {
            "PropertyPath": self.path,
            "ExpectedValue": shown(self.expected),
            "ActualValue": shown(self.actual),
            "DifferenceType": self.kind,
        }


def shown(value: Any) -> str:
    """Return a value as text; what is not there is `null`."""
    return "null" if value is None else as_text(value)


def of_properties(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what differs of the properties that `actual` tells of, which has None for those that are not set."""
    for name, value in expected.items():
        if name in actual:
            yield from differences(value, actual[name], f"/{name}", whole=name.endswith(DOCUMENTS))


def differences(expected: Any, actual: Any, path: str, *, whole: bool) -> Iterator[Difference]:
    """Yield what differs of one value; `whole` says whether what only `actual` has counts in objects too."""
    expected, actual = read(expected), read(actual)
    if expected is None and actual is None:
        return
    if actual is None:
        yield Difference(path, expected, None, "REMOVE")
    elif isinstance(actual, list):
        yield from of_lists(expected if isinstance(expected, list) else [expected], actual, path, whole=whole)
    elif isinstance(expected, dict) and isinstance(actual, dict):
        yield from of_objects(expected, actual, path, whole=whole)
    elif not same(expected, actual):
        yield Difference(path, expected, actual, "NOT_EQUAL")


def of_objects(
    expected: Mapping[str, Any], actual: Mapping[str, Any], path: str, *, whole: bool
) -> Iterator[Difference]:
    """Yield what differs of two objects; names are the same in large and small letters."""
    found = {name.lower(): value for name, value in actual.items()}
    for name, value in expected.items():
        told = found.pop(name.lower(), None)
        yield from differences(value, told, f"{path}/{name}", whole=whole or name.endswith(DOCUMENTS))
    for name, value in actual.items():
        if whole and name.lower() in found:
            yield Difference(f"{path}/{name}", None, value, "ADD")


def of_lists(expected: list[Any], actual: list[Any], path: str, *, whole: bool) -> Iterator[Difference]:
    """Yield what differs of two lists, item by item, after those that both have."""
    left = list(actual)
    lacking: list[tuple[int, Any]] = []
    for index, item in enumerate(expected):
        match = next((i for i, each in enumerate(left) if not any(differences(item, each, "", whole=whole))), None)
        if match is None:
            lacking.append((index, item))
        else:
            left.pop(match)
    for index, item in lacking:
        if left:
            yield from differences(item, left.pop(0), f"{path}/{index}", whole=whole)
        else:
            yield Difference(f"{path}/{index}", item, None, "REMOVE")
    for index, item in enumerate(left):
        yield Difference(f"{path}/{len(expected) + index}", None, item, "ADD")


def read(value: Any) -> Any:
    """Return a value, parsed if it is a text with a document of JSON."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def same(expected: Any, actual: Any) -> bool:
    """Return whether two values mean the same: templates write numbers and truths as text too."""
    first, second = as_text(expected), as_text(actual)
    if first == second:
        return True
    if isinstance(expected, bool | int | float) or isinstance(actual, bool | int | float):
        try:
            return float(first) == float(second)
        except ValueError:
            return first.lower() == second.lower()
    return False
