"""The README says what is true: its example runs, and nothing that exists is missing from it."""

import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from fargate_local.cli import app
from fargate_local.ecs.ignored import CONTAINER_FIELDS, TASK_FIELDS, VOLUME_FIELDS
from fargate_local.faults.rules import Fault, FaultRule

WRONG = runpy.run_path(str(Path(__file__).with_name("test_refused_definitions.py")))["WRONG"]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def readme(request: pytest.FixtureRequest) -> Any:
    return (request.config.rootpath / "packages/fargate-local/README.md").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not (BIN / "aws").exists(), reason="needs the AWS CLI: uv sync --group dev")
def test_the_thirty_second_example_does_what_it_says(readme: str, tmp_path: Path) -> None:
    section = readme.split("## Thirty seconds with the AWS CLI")[1]
    (script,) = re.findall(r"```\n(fargate-local serve.*?)```", section, re.DOTALL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    script = "trap 'kill %1; wait' EXIT\n" + script.replace("5555", port)
    address = {"FARGATE_LOCAL_URL": f"http://127.0.0.1:{port}"}
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), **address}
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    *_, outcome, line = done.stdout.strip().splitlines()
    assert outcome == "Essential container in task exited\t3"
    assert re.fullmatch(r"hello from \d+", line)


def test_every_fault_and_every_key_of_a_rule_is_explained(readme: str) -> None:
    section = readme.split("## Faults")[1]
    assert [fault for fault in get_args(Fault) if f"| `{fault}` |" not in section] == []
    assert [key for key in FaultRule.model_fields if key not in ("fault", "name") and f"`{key}`" not in section] == []


def test_every_command_is_listed(readme: str) -> None:
    section = readme.split("## Command line")[1]
    assert [name for name in vars(get_command(app))["commands"] if f"`fargate-local {name}" not in section] == []


def test_every_field_that_is_not_obeyed_is_in_the_table(readme: str) -> None:
    section = readme.split("Fields of a definition that have no effect here")[1].split("The state folder")[0]
    fields = (
        *TASK_FIELDS,
        *CONTAINER_FIELDS,
        *VOLUME_FIELDS,
        "ephemeralStorage",
        "cpuArchitecture",
        "initProcessEnabled",
    )
    assert [field for field in fields if f"`{field}`" not in section] == []


def test_the_number_of_cases_is_the_tables(readme: str) -> None:
    assert f"({len(WRONG)} cases, each with its source" in readme
