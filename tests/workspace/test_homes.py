"""One home for each question and each fact; facts of packages that must not import each other are compared."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from datavision.local.variables import variables

ROOT = Path(__file__).parents[2]
ORCHESTRATION = ROOT / "packages" / "orchestration" / "src" / "datavision"
WHICH_ENVIRONMENT = re.compile(
    r"""[!=]=\s*["']local["']|["']local["']\s*[!=]=|["']local["']\s+(not\s+)?in\b|\bin\s+[({\[]["']local["']"""
    r"""|aws\.endpoint_url|\bwork_tree\s+is\b"""
)
ANSWERS = {"environment.py", "release/pins/git.py"}
"""Who may ask: the object that answers for everybody, and git's edge about its own repository."""
WRITERS = {
    "packages/orchestration/src/datavision/local/variables.py",
    "packages/transformacion/src/transformacion/runner.py",
}
"""Both set variables for the time of a block, for DuckDB and dbt, which read them in our process."""


def python_files() -> Iterator[Path]:
    for place in ("packages", "dags"):
        yield from sorted(path for path in (ROOT / place).rglob("*.py") if ".venv" not in path.parts)


def code(path: Path) -> str:
    """The file's statements, without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.unparse(tree)


@pytest.mark.parametrize(
    "asked",
    [
        'if config.env == "local": pass',
        'if "local" != env: pass',
        'if "local" in {a, b}: pass',
        'if env in ("local", "dev"): pass',
        "if config.aws.endpoint_url: pass",
        "if repo.work_tree is not None: pass",
    ],
)
def test_the_search_finds_every_way_to_ask(asked: str, tmp_path: Path) -> None:
    file = tmp_path / "asks.py"
    file.write_text(asked)
    assert WHICH_ENVIRONMENT.search(code(file))


def test_only_the_environment_object_says_which_environment_it_is() -> None:
    asking = {path for path in python_files() if WHICH_ENVIRONMENT.search(code(path))}
    assert asking == {ORCHESTRATION / name for name in ANSWERS}


def writes_variables(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target: ast.AST = node.value
        elif isinstance(node, ast.Attribute) and node.attr in {"update", "pop", "setdefault", "clear", "popitem"}:
            target = node.value
        elif isinstance(node, ast.Attribute) and node.attr in {"putenv", "unsetenv"}:
            return True
        else:
            continue
        if ast.unparse(target) == "os.environ":
            return True
    return False


def test_nothing_changes_the_variables_of_its_process_for_good() -> None:
    assert {path.relative_to(ROOT).as_posix() for path in python_files() if writes_variables(path)} == WRITERS


def test_variables_set_for_a_block_are_as_before_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMES_KEPT", "before")
    monkeypatch.delenv("HOMES_NEW", raising=False)

    def fail_inside() -> None:
        with variables({"HOMES_KEPT": "inside", "HOMES_NEW": "inside"}):
            assert (os.environ["HOMES_KEPT"], os.environ["HOMES_NEW"]) == ("inside", "inside")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert os.environ["HOMES_KEPT"] == "before"
    assert "HOMES_NEW" not in os.environ
