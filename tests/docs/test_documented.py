"""Every command, option, setting and link of the documentation is there and right."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from datavision.cli.app import app
from datavision.config import Config

WHAT_IS_TESTED = "What is tested, and what is not"
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
UNIVERSAL = {"--help", "--json", "--env", "--push", "--engine", "--install-completion", "--show-completion"}


def commands(group: Any, name: str = "datavision") -> Iterator[tuple[str, click.Command]]:
    for part, known in group.commands.items():
        command = known.load() if hasattr(known, "load") else known
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


ALL = dict(commands(typer.main.get_command(app)))


def keys(model: Any, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def markdown(repository: Path) -> list[Path]:
    return [
        path
        for path in repository.rglob("*.md")
        if not {".venv", ".uv", ".datavision", "node_modules"} & set(path.relative_to(repository).parts)
    ]


@pytest.mark.parametrize("name", ALL)
def test_a_command_is_documented_with_its_options(name: str, repository: Path) -> None:
    lines = [line for line in (repository / "docs" / "commands.md").read_text().splitlines() if f"`{name}" in line]
    assert lines, f"{name} is not in docs/commands.md"
    for parameter in ALL[name].params:
        for option in (item for item in parameter.opts if item.startswith("--") and item not in UNIVERSAL):
            assert any(option in line for line in lines), f"{name} {option} is not in docs/commands.md"


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_a_command_ends_in_one_example(name: str) -> None:
    text = f"{ALL[name].help}\n{ALL[name].epilog or ''}"
    (example,) = re.findall(r"Example: (.+)", text)
    assert name in example


@pytest.mark.parametrize("key", list(keys(Config)))
def test_a_setting_is_documented(key: str, repository: Path) -> None:
    text = (repository / "docs" / "configuration.md").read_text()
    assert f"`{key}`" in text, f"{key} is not in docs/configuration.md"


def test_every_relative_link_leads_somewhere(repository: Path) -> None:
    broken = [
        f"{path.relative_to(repository)}: {target}"
        for path in markdown(repository)
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_a_page_that_speaks_of_aws_leads_to_the_list_of_what_is_tested(repository: Path) -> None:
    """Nobody here has an account. The tutorial needs none; the list itself is in docs/infrastructure.md."""
    listed = repository / "docs" / "infrastructure.md"
    assert f"\n## {WHAT_IS_TESTED}\n" in listed.read_text(encoding="utf-8")
    anchor = "infrastructure.md#" + WHAT_IS_TESTED.lower().replace(",", "").replace(" ", "-")
    pages = {*repository.glob("README*.md"), *(repository / "docs").glob("*.md")}
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages - {listed, listed.with_name("tutorial.md")}}
    assert [name for name, text in texts.items() if re.search("AWS|Fargate", text) and anchor not in text] == []


@pytest.mark.parametrize("name", ["README.md", "README.es.md"])
def test_the_readme_begins_with_a_picture_and_the_two_commands(name: str, repository: Path) -> None:
    first_screen = "\n".join((repository / name).read_text(encoding="utf-8").splitlines()[:45])
    assert "docs/picture.svg" in first_screen
    assert "make run" in first_screen
    assert "make test" in first_screen
