"""References to attributes whose names have dots, `Endpoint.Address` for one, as moto's parser understands them.

moto 5.2 splits a reference at every dot and takes the second part.
"""

import re
from typing import Any, Final

DEEP: Final = re.compile(r"\$\{([^!}.]+)\.([^}.]+\.[^}]+)\}")


def with_whole_attributes(value: Any) -> Any:
    """Return a part of a template with each `Fn::GetAtt` as a pair, also where `Fn::Sub` means one."""
    if isinstance(value, list):
        return [with_whole_attributes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: whole(key, item) for key, item in value.items()}


def whole(key: str, value: Any) -> Any:
    """Return what stands under a key of a template."""
    match key, value:
        case "Fn::GetAtt", str():
            name, _, attribute = value.partition(".")
            return [name, attribute]
        case "Fn::GetAtt", [str(name), str(first), *rest]:
            return [name, ".".join([first, *map(str, rest)])]
        case "Fn::Sub", str() if DEEP.search(value):
            return substitution(value, {})
        case "Fn::Sub", [str(text), dict(given)]:
            return substitution(text, with_whole_attributes(given))
    return with_whole_attributes(value)


def substitution(text: str, given: dict[str, Any]) -> list[Any]:
    """Return a text and the values for `Fn::Sub`, in which every attribute with dots is a value of its own."""
    values = dict(given)

    def named(found: re.Match[str]) -> str:
        name = f"{found[1]}{found[2]}".replace(".", "").replace("::", "")
        values[name] = {"Fn::GetAtt": [found[1], found[2]]}
        return f"${{{name}}}"

    return [DEEP.sub(named, text), values]
