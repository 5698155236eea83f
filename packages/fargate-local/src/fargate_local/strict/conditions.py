"""The Condition element of IAM policies.

Rules: IAM user guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys"
(read November 2026).
"""

import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fargate_local.strict.patterns import Lookup, UnknownVariableError, arn_matches, matches, resolved, shown

Test = Callable[[str, str], bool]


def same_text(wanted: str, value: str) -> bool:
    """Evaluate `StringEquals` and `BinaryEquals`."""
    return shown(wanted) == value


def same_letters(wanted: str, value: str) -> bool:
    """Evaluate `StringEqualsIgnoreCase` and `Bool`."""
    return shown(wanted).casefold() == value.casefold()


def in_network(wanted: str, value: str) -> bool:
    """Evaluate `IpAddress`; false for what is neither an address nor a network."""
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(shown(wanted), strict=False)
    except ValueError:
        return False


def compared(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> Test:
    """Return a test that compares what `read` makes of both texts; false for a text that it cannot read."""

    def test(wanted: str, value: str) -> bool:
        try:
            return compare(read(value), read(shown(wanted)))
        except ValueError:
            return False

    return test


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 date, or of a text that gives such seconds.

    Raises:
        ValueError: The text is neither.
    """
    try:
        return float(text)
    except ValueError:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


COMPARISONS: Final = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
TESTS: Final[dict[str, Test]] = {
    "StringEquals": same_text,
    "StringEqualsIgnoreCase": same_letters,
    "StringLike": matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": same_letters,
    "BinaryEquals": same_text,
    "IpAddress": in_network,
    **{f"Numeric{name}": compared(float, compare) for name, compare in COMPARISONS.items()},
    **{f"Date{name}": compared(moment, compare) for name, compare in COMPARISONS.items()},
}
NEGATED: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


class UnknownOperatorError(ValueError):
    """A condition that cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator. `quantifier` is `ForAllValues`, `ForAnyValue` or empty."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    quantifier: str = ""
    if_exists: bool = False

    def holds(self, lookup: Lookup) -> bool:
        """Return whether a request with these context values meets the condition.

        Raises:
            UnknownOperatorError: IAM has no such operator, or this evaluator does not know it.
        """
        values = lookup(self.key)
        if self.operator == "Null":
            absent = "true" if values is None else "false"
            return any(wanted.lower() == absent for wanted in self.wanted)
        negated = self.operator in NEGATED
        test = TESTS.get(NEGATED.get(self.operator, self.operator))
        if test is None:
            raise UnknownOperatorError(self.operator)
        if values is None:
            if self.quantifier:
                return self.quantifier == "ForAllValues" or self.if_exists
            return negated or self.if_exists
        wanted = [text for text in (readable(each, lookup) for each in self.wanted) if text is not None]
        agreed = [any(test(text, value) for text in wanted) is not negated for value in values]
        if self.quantifier == "ForAnyValue":
            return any(agreed)
        if self.quantifier == "ForAllValues" or negated:
            return all(agreed)
        return any(agreed)


def readable(text: str, lookup: Lookup) -> str | None:
    """Return the text with its variables resolved; None when one of them has no value."""
    try:
        return resolved(text, lookup)
    except UnknownVariableError:
        return None


def parse_conditions(element: dict[str, Any]) -> tuple[Condition, ...]:
    """Parse a Condition element into its conditions, all of which must hold."""
    found = []
    for name, keys in element.items():
        quantifier, _, rest = name.rpartition(":")
        plain = rest.removesuffix("IfExists")
        for key, wanted in keys.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
            found.append(Condition(plain, key, texts, quantifier, plain != rest))
    return tuple(found)
