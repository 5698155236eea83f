"""One home for each question and each fact; facts of packages that must not import each other are compared."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import datavision.exit_codes
import datavision_runtime.exit_codes
from datavision.fargate import identity
from datavision.fargate.identity import TaskKey
from datavision.fargate.launching import request
from datavision.fargate.outcome import results
from datavision.fargate.sharing import inbox
from datavision.source_tables import SOURCE_TABLES
from datavision_lakehouse.process_environment import variables_set
from datavision_runtime import process_environment, result
from datavision_runtime.shared import messages
from ingesta.tables import TABLES as LOADED_TABLES
from transformacion.settings import BuildSettings

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "packages" / "transformacion" / "src" / "transformacion" / "dbt" / "models"
ORCHESTRATION = ROOT / "packages" / "orchestration" / "src" / "datavision"
WHICH_ENVIRONMENT = re.compile(
    r"""[!=]=\s*["']local["']|["']local["']\s*[!=]=|["']local["']\s+(not\s+)?in\b|\bin\s+[({\[]["']local["']"""
    r"""|aws\.endpoint_url|\bwork_tree\s+is\b"""
)
ANSWERS = {"environment.py", "release/pins/git.py"}
"""Who may ask: the object that answers for everybody, and git's edge about its own repository."""
WRITERS = {
    "packages/lakehouse/src/datavision_lakehouse/process_environment.py",
    "packages/runtime/src/datavision_runtime/process_environment.py",
}
"""The first sets variables for the time of a block, for DuckDB and dbt, which read them in our process; the second sets
those of a step in the process that was forked for it."""


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
        with variables_set({"HOMES_KEPT": "inside", "HOMES_NEW": "inside"}):
            assert (os.environ["HOMES_KEPT"], os.environ["HOMES_NEW"]) == ("inside", "inside")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert os.environ["HOMES_KEPT"] == "before"
    assert "HOMES_NEW" not in os.environ


@pytest.mark.parametrize("member", ["runtime", "lakehouse", "orchestration"])
def test_every_variable_that_a_process_reads_is_in_the_one_table(member: str) -> None:
    (module,) = (ROOT / "packages" / member / "src").glob("*/process_environment.py")
    named = set(re.findall(r"'([A-Z][A-Z0-9_]*[A-Z0-9])'", code(module)))
    assert len(named) > 1
    table = re.findall(r"^\| (`[A-Z].*?) \|", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), re.M)
    assert named - set(re.findall(r"`(\w+)`", " ".join(table))) == set()


def test_a_value_that_the_system_refuses_leaves_nothing_of_the_others_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMES_KEPT", "before")
    with pytest.raises(ValueError, match="null byte"), variables_set({"HOMES_KEPT": "inside", "HOMES_NEW": "a\0b"}):
        pass
    assert os.environ["HOMES_KEPT"] == "before"
    assert "HOMES_NEW" not in os.environ


def codes(module: object) -> dict[str, int]:
    return {name: value for name, value in vars(module).items() if name.isupper()}


def test_commands_operators_and_modules_mean_the_same_by_an_exit_code() -> None:
    ours = codes(datavision.exit_codes)
    assert sorted(ours) == ["FAILURE", "QUALITY", "SUCCESS", "USAGE"]
    assert ours == codes(datavision_runtime.exit_codes)


def test_the_operator_reads_a_result_where_and_as_large_as_the_entry_point_writes_it() -> None:
    assert results.RESULT_URI_VARIABLE == process_environment.RESULT_URI_VARIABLE
    assert results.MAX_RESULT_BYTES == result.MAX_RESULT_BYTES
    assert request.SHARED_VARIABLE == process_environment.SHARED_VARIABLE
    assert (inbox.INBOX, inbox.SLOT_DIGITS) == (messages.INBOX, messages.SLOT_DIGITS)


def test_a_container_reads_what_it_is_told_of_the_task_it_works_for(monkeypatch: pytest.MonkeyPatch) -> None:
    key = TaskKey("dev", "pipeline_x", "run-1", "marts", 3)
    told = {"DATAVISION_ENV": "dev", "DATAVISION_LAKEHOUSE__CATALOG_URL": "u", "DATAVISION_LAKEHOUSE__DATA_PATH": "/d"}
    for name, value in {**told, **identity.variables(key)}.items():
        monkeypatch.setenv(name, value)
    read = BuildSettings.load()
    assert (read.dag_id, read.run_id, read.task_id) == ("pipeline_x", "run-1", "marts[3]")


def test_what_the_dags_announce_is_what_ingesta_loads_the_sample_source_makes_and_dbt_reads() -> None:
    assert len(set(SOURCE_TABLES)) == len(SOURCE_TABLES)
    script = (ORCHESTRATION / "local" / "source" / "tables.sql").read_text(encoding="utf-8")
    (raw,) = yaml.safe_load((MODELS / "staging" / "fuentes.yml").read_text(encoding="utf-8"))["sources"]
    assert (
        set(SOURCE_TABLES)
        == set(LOADED_TABLES)
        == set(re.findall(r"CREATE TABLE (\w+)", script))
        == {table["name"] for table in raw["tables"] if not table["name"].startswith("_")}
    )


CALLS = re.compile(r"""\.(?:describe_tasks|list_tasks|stop_task)\(|["'](?:describe|list|stop)_tasks?["']""")


def test_ecs_tasks_are_described_listed_and_stopped_in_one_place() -> None:
    calling = {path for path in ORCHESTRATION.rglob("*.py") if CALLS.search(code(path))}
    assert calling == {ORCHESTRATION / "fargate" / "edge" / "ecs_tasks.py"}


@pytest.mark.parametrize("fact", ["DATAVISION_RESULT_URI", "DATAVISION_RESULT_FILE"])
def test_a_variable_of_the_image_contract_is_spelled_once_in_each_package(fact: str) -> None:
    spelled = [path.relative_to(ROOT).parts[1] for path in python_files() if f"'{fact}'" in code(path)]
    assert spelled
    assert len(set(spelled)) == len(spelled)
