"""What the workflows promise, and what the linters of workflows say."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def workflow(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def run_lines(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_actionlint_finds_nothing(path: Path) -> None:
    _lint("actionlint", str(path))


def test_zizmor_finds_nothing(path: Path) -> None:
    _lint("zizmor", "--offline", "--no-progress", "--persona", "pedantic", str(path))


def test_every_line_is_a_call_of_make_or_of_datavision(workflow: dict[str, Any]) -> None:
    for line in run_lines(workflow):
        assert re.match(r"(make|\.venv/bin/datavision) [^;&|\n]+$", line), line


def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for action, comment in used:
        assert re.search(r"@[0-9a-f]{40}$", action), action
        assert re.match(r" # v\d+\.\d+\.\d+$", comment), f"{action} does not say its version"


def test_rights_are_given_job_by_job_and_no_key_lives_in_a_secret(workflow: dict[str, Any], path: Path) -> None:
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())
    assert "secrets." not in path.read_text()
    assert "aws-access-key" not in path.read_text()


def test_a_rollback_waits_neither_for_a_release_nor_for_the_approval_of_a_promotion() -> None:
    release, rollback = (
        yaml.safe_load((WORKFLOWS[0].parent / f"{name}.yml").read_text()) for name in ("release", "rollback")
    )
    assert rollback["concurrency"]["group"] != release["concurrency"]["group"]
    approved = {job["environment"] for job in release["jobs"].values()}
    (job,) = rollback["jobs"].values()
    assert job["environment"] not in approved
    assert job["environment"].endswith("-rollback")


def test_a_workflow_that_writes_pins_is_never_cut_off_half_way(workflow: dict[str, Any]) -> None:
    if any("--push" in line for line in run_lines(workflow)):
        assert workflow["concurrency"]["cancel-in-progress"] is False
    else:
        assert workflow["concurrency"]["cancel-in-progress"] is True


def _lint(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
