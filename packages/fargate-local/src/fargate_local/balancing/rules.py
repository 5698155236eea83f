"""Which action of a listener a request gets.

Application Load Balancer user guide, "Condition types for listener rules": patterns have `*` and `?`, hosts are
compared in any case, paths are not (read November 2026).
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules look at in a request. `query` holds the pairs in order, decoded."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, which all must hold, and the actions; the default rule has no conditions."""

    conditions: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]


def chosen(rules: Sequence[Rule], asked: Asked) -> Rule | None:
    """Return the first rule whose conditions hold, of rules in the order of their priority."""
    return next((rule for rule in rules if all(holds(condition, asked) for condition in rule.conditions)), None)


def holds(condition: Mapping[str, Any], asked: Asked) -> bool:
    """Return whether one of a condition's values fits the request."""
    field = condition.get("Field")
    values = of_condition(condition)
    match field:
        case "host-header":
            return any(fits(value.lower(), asked.host.lower()) for value in values)
        case "path-pattern":
            return any(fits(value, asked.path) for value in values)
        case "http-request-method":
            return asked.method in values
        case "http-header":
            given = asked.headers.get(condition["HttpHeaderConfig"]["HttpHeaderName"])
            return given is not None and any(fits(value.lower(), given.lower()) for value in values)
        case "source-ip":
            source = ipaddress.ip_address(asked.source)
            return any(source in ipaddress.ip_network(value, strict=False) for value in values)
        case "query-string":
            return any(in_query(value, asked.query) for value in values)
    return False


def of_condition(condition: Mapping[str, Any]) -> list[Any]:
    """Return the values of a condition, in whichever of the two forms it has them."""
    configured = [value["Values"] for name, value in condition.items() if name.endswith("Config") and value]
    values: list[Any] = configured[0] if configured else condition.get("Values") or []
    return values


def in_query(wanted: Mapping[str, str], query: Sequence[tuple[str, str]]) -> bool:
    """Return whether a pair of the query fits; without a key, any key does."""
    key, value = wanted.get("Key"), wanted["Value"].lower()
    return any((key is None or fits(key.lower(), name.lower())) and fits(value, had.lower()) for name, had in query)


def fits(pattern: str, text: str) -> bool:
    """Return whether the whole text fits a pattern with `*` for any letters and `?` for one."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
