"""Wildcards, ARNs and variables of IAM policies.

Rules: IAM user guide, "IAM JSON policy elements: Resource", "Condition operators" (ARNs) and "Policy variables" (read
November 2026).
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

ARN_PARTS: Final = 6
VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
# What a variable stands for is taken as it is: its characters are hidden from the wildcards' and the ARN's meaning.
HIDDEN: Final = {"*": "\ue000", "?": "\ue001", ":": "\ue002"}
SHOWN: Final = {hidden: shown for shown, hidden in HIDDEN.items()}

Lookup = Callable[[str], tuple[str, ...] | None]


class UnknownVariableError(LookupError):
    """A policy variable that the request has no value for: what holds it matches nothing."""


def resolved(text: str, lookup: Lookup) -> str:
    """Return the text with its `${variables}` replaced.

    Raises:
        UnknownVariableError: One has no value.
    """
    if "${" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(",")
        if name in ("*", "?", "$"):
            return HIDDEN.get(name, name)
        values = lookup(name.strip())
        if values is None or len(values) != 1:
            if not default:
                raise UnknownVariableError(name)
            return hide(default.strip().strip("'"))
        return hide(values[0])

    return VARIABLE.sub(value, text)


def hide(text: str) -> str:
    """Return the text with its wildcards hidden, so that every character stands for itself."""
    return "".join(HIDDEN.get(character, character) for character in text)


def shown(text: str) -> str:
    """Return resolved text with its hidden characters shown again."""
    return "".join(SHOWN.get(character, character) for character in text)


@lru_cache(maxsize=8192)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in which `*` is any text and `?` one character."""
    pieces = {"*": ".*", "?": "."}
    text = "".join(pieces.get(character) or re.escape(SHOWN.get(character, character)) for character in pattern)
    return re.compile(text, re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Return whether a resolved pattern matches the whole text."""
    return compiled(pattern).fullmatch(text) is not None


def action_matches(pattern: str, action: str) -> bool:
    """Return whether a pattern matches the name of an action, whatever the case of either."""
    return matches(pattern.lower(), action.lower())


def arn_matches(pattern: str, arn: str) -> bool:
    """Return whether a pattern matches an ARN, part by part.

    No wildcard reaches over a colon, except in the last part. Missing parts are `*`.
    """
    if pattern in ("*", arn):
        return True
    parts = arn.split(":", ARN_PARTS - 1)
    if len(parts) < ARN_PARTS:
        return matches(pattern, arn)
    wanted = pattern.split(":", ARN_PARTS - 1)
    wanted += ["*"] * (ARN_PARTS - len(wanted))
    return all(matches(part, text) for part, text in zip(wanted, parts, strict=True))
