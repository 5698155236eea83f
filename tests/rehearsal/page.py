"""The steps of a new account, as `docs/infrastructure.md` tells them to people."""

import re
import shlex
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADING = "## A new account"
_STEP = re.compile(r"^(\d+)\. ", re.MULTILINE)
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One step: what it has people write into the configuration, and then run."""

    number: int
    settings: tuple[str, ...]
    """Keys, such as `airflow.host`; the values on the page are examples."""
    commands: tuple[tuple[str, ...], ...]


def read_steps(page: Path) -> list[Step]:
    """Return the steps of the page, in its order."""
    section = page.read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    parts = _STEP.split(section)[1:]
    return [_step(int(number), text) for number, text in zip(parts[::2], parts[1::2], strict=True)]


def _step(number: int, text: str) -> Step:
    settings: list[str] = []
    commands: list[tuple[str, ...]] = []
    for language, block in _BLOCK.findall(text):
        content = textwrap.dedent(block)
        if language == "toml":
            settings += _keys(tomllib.loads(content))
        elif language == "sh":
            commands += [tuple(shlex.split(line)) for line in content.splitlines()]
        else:
            raise ValueError(f"step {number} has a block of {language!r}: nobody knows what to do with it")
    return Step(number, tuple(settings), tuple(commands))


def _keys(values: dict[str, Any]) -> list[str]:
    return [f"{section}.{key}" for section, found in values.items() for key in found]


def write_setting(file: Path, key: str, value: str) -> None:
    """Set one key of a TOML file: in its place, or at the end of its section."""
    section, name = key.split(".")
    head, found, rest = file.read_text().partition(f"[{section}]\n")
    if not found:
        raise ValueError(f"{file} has no section [{section}]")
    own, separator, others = rest.partition("\n[")
    line = f'{name} = "{value}"'
    own, count = re.subn(rf"^{name} = .*$", lambda _: line, own, flags=re.MULTILINE)
    if not count:
        own = f"{own.rstrip()}\n{line}\n"  # an empty line before the next section stays
    file.write_text(f"{head}{found}{own}{separator}{others}")
