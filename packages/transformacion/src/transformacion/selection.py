"""What may follow the verb: the options that dbt takes, and the grammar of a selection. Pure functions."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from transformacion.errors import UsageError

_NAME: Final = r"[0-9A-Za-z_*?.\[/][0-9A-Za-z_*?.\[\]!/-]*"
_CRITERION: Final = rf"@?([0-9]*\+)?([0-9A-Za-z_]+(\.[0-9A-Za-z_-]+)*:)?{_NAME}(\+[0-9]*)?"
SELECTOR: Final = rf"{_CRITERION}(,{_CRITERION})*"
"""One of dbt's selectors: a name, pattern, path or `method:value`, with `+`, `2+` or `@` for its neighbours in the
graph; a comma intersects. No option is one."""

SELECTION: Final = rf"^ *{SELECTOR}( +{SELECTOR})* *$"
"""Selectors separated by spaces, their union: what `modelos` of pipeline_fact_rfm takes. Plain enough to be the pattern
of a JSON schema, too, which has a copy because neither package may import the other."""

_LISTS: Final = frozenset({"--select", "-s", "--exclude", "--resource-type", "--exclude-resource-type"})
_VALUES: Final = frozenset({"--vars", "--output"})
_FLAGS: Final = frozenset({"--full-refresh", "--fail-fast"})

_selection: Final = re.compile(SELECTION, re.ASCII)


def is_selection(text: str) -> bool:
    """Return whether the text is one or more selectors separated by spaces.

    Args:
        text: What someone typed after `--select`, or into a form.
    """
    return "\n" not in text and _selection.match(text) is not None


def dbt_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as dbt takes them, one selector per argument.

    Only options that say what to run reach dbt. The others would change how it runs: a second thread, for example,
    corrupts the lakehouse's catalog.

    Args:
        arguments: Everything after the verb that is not one of our own options.

    Returns:
        The same options; a selection that came as one argument (`"staging marts"`) in as many as it has selectors.

    Raises:
        UsageError: An argument is neither such an option nor a selector after one.
    """
    return list(_checked(iter(arguments)))


def _checked(arguments: Iterator[str]) -> Iterator[str]:
    open_list = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument in _FLAGS:
            open_list = ""
            yield argument
        elif name in _VALUES:
            open_list = ""
            yield from (name, value if equals else _next(arguments, name))
        elif name in _LISTS:
            open_list = name
            yield from (name, *_selectors(name, value if equals else _next(arguments, name)))
        elif argument.startswith("-"):
            raise UsageError(f"{argument!r} is not an option here. Use one that goes to dbt: {_valid()}.")
        elif open_list:
            yield from _selectors(open_list, argument)
        else:
            raise UsageError(f"{argument!r} does not belong to an option. To choose what to run: --select {argument}")


def _next(arguments: Iterator[str], option: str) -> str:
    value = next(arguments, None)
    if value is None:
        raise UsageError(f"{option} needs a value. Example: --select fact_rfm+")
    return value


def _selectors(option: str, text: str) -> list[str]:
    if not is_selection(text):
        raise UsageError(
            f"{text!r} after {option} is not a selection. Give names, tag:, path: or source: selectors separated by "
            "spaces, for example: --select fact_rfm+"
        )
    return text.split()


def _valid() -> str:
    return ", ".join(sorted(option for option in _LISTS | _VALUES | _FLAGS if option.startswith("--")))
