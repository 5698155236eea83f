"""What the workflows promise, and what the linters of workflows say."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PARTS = ("lint", "fast", "slow-release", "slow-e2e", "slow-rest", "containers")

JOBS = (*PARTS, "audit", "rehearsal")
"""The audit asks the internet and the rehearsal takes long: jobs of their own, no part of what runs without a name."""


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def workflow(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def run_lines(jobs: Iterable[dict[str, Any]]) -> list[str]:
    return [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]


def test_actionlint_finds_nothing(path: Path) -> None:
    _lint("actionlint", str(path))


def test_zizmor_finds_nothing(path: Path) -> None:
    _lint("zizmor", "--offline", "--no-progress", "--persona", "pedantic", str(path))


def test_every_line_is_a_call_of_make_of_datavision_or_of_ci_run(workflow: dict[str, Any]) -> None:
    for line in run_lines(workflow["jobs"].values()):
        assert re.match(r"(make|\.venv/bin/datavision|bash \.ci/run) [^;&|\n]+$", line), line


def test_each_part_of_ci_is_a_job_that_ends_within_20_minutes_the_rehearsal_within_40() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert {name: run_lines([job]) for name, job in jobs.items()} == {name: [f"bash .ci/run {name}"] for name in JOBS}
    minutes = {name: job["timeout-minutes"] for name, job in jobs.items()}
    assert minutes.pop("rehearsal") <= 40
    assert max(minutes.values()) <= 20


def test_ci_run_without_a_name_runs_every_part_in_order(tmp_path: Path) -> None:
    """A make of our own writes down what it is asked for; nothing is installed where there is no apt-get."""
    asked = _ci_run(tmp_path).splitlines()
    assert [line.split()[0] for line in asked] == ["lint", "test", "test"]
    assert "PYTEST=coverage run -m pytest" in asked[1]
    assert "-m 'slow or containers'" in asked[2]


def test_the_slow_parts_leave_the_containers_to_their_own(tmp_path: Path) -> None:
    *slow, containers = _ci_run(tmp_path, "slow-release", "slow-e2e", "slow-rest", "containers").splitlines()
    assert all("-m 'slow and not containers'" in line for line in slow)
    assert "-m 'containers'" in containers


def test_the_audit_of_the_lock_is_a_part_by_name(tmp_path: Path) -> None:
    assert _ci_run(tmp_path, "audit").splitlines() == ["install", "datavision image audit"]


@pytest.mark.parametrize("parts", [("slow-release", "slow-e2e", "slow-rest"), ("slow",)])
def test_the_slow_parts_share_the_folders_of_tests_between_them(parts: tuple[str, ...], tmp_path: Path) -> None:
    """A new folder belongs to the rest; none is in two parts, none in no part."""
    asked = _ci_run(tmp_path, *parts).split()
    folders = [word for word in asked if word.startswith("tests/")]
    assert sorted(folders) == sorted(f"tests/{path.name}" for path in _folders(REPOSITORY))


def test_ci_run_knows_no_other_part(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        _ci_run(tmp_path, "quick")
    assert error.value.returncode == 2
    assert (
        "Name any of: lint, fast, audit, slow, slow-release, slow-e2e, slow-rest, containers, rehearsal."
        in error.value.stderr
    )


def test_nothing_is_released_that_ci_has_not_passed() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert jobs["ci"]["uses"] == "$/.github/workflows/ci.yml"
    needs = {name: job["needs"] for name, job in jobs.items() if "needs" in job}
    assert needs == {"dev-infra": "ci", "dev": "dev-infra", "prod-infra": "dev", "prod": "prod-infra"}


def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for action, comment in (item for item in used if not item[0].startswith("$/.github/")):
        assert re.search(r"@[0-9a-f]{40}$", action), action
        assert re.match(r" # v\d+\.\d+\.\d+$", comment), f"{action} does not say its version"


def test_rights_are_given_job_by_job_and_no_key_lives_in_a_secret(workflow: dict[str, Any], path: Path) -> None:
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())
    assert "secrets." not in path.read_text()
    assert "aws-access-key" not in path.read_text()


def test_a_job_assumes_the_role_of_its_own_command_and_no_other() -> None:
    """Each GitHub environment is trusted by one role of infra/ci-roles.yaml; that of the stacks is not among them."""
    template = (REPOSITORY / "infra" / "ci-roles.yaml").read_text()
    trusted = re.findall(r"environment:\$\{Environment\}(-\w+)?\"", template)
    assert sorted(trusted) == ["", "", "-rollback"]
    commands = {
        job["environment"]: [line.split()[1:3] for line in run_lines([job]) if "datavision" in line]
        for name in ("release", "rollback")
        for job in yaml.safe_load((WORKFLOWS[0].parent / f"{name}.yml").read_text())["jobs"].values()
        if "environment" in job
    }
    assert {name: [first for first, _ in found] for name, found in commands.items()} == {
        "dev-infra": ["infra"],
        "dev": ["release"],
        "prod-infra": ["infra"],
        "prod": ["promote"],
        "${{ inputs.environment }}-rollback": ["rollback"],
    }


def test_a_rollback_waits_neither_for_a_release_nor_for_the_approval_of_a_promotion() -> None:
    release, rollback = (
        yaml.safe_load((WORKFLOWS[0].parent / f"{name}.yml").read_text()) for name in ("release", "rollback")
    )
    assert rollback["concurrency"]["group"] != release["concurrency"]["group"]
    approved = {job["environment"] for job in release["jobs"].values() if "environment" in job}
    (job,) = rollback["jobs"].values()
    assert job["environment"] not in approved
    assert job["environment"].endswith("-rollback")


def test_a_workflow_that_writes_pins_is_never_cut_off_half_way(workflow: dict[str, Any]) -> None:
    if any("--push" in line for line in run_lines(workflow["jobs"].values())):
        assert workflow["concurrency"]["cancel-in-progress"] is False
    else:
        assert workflow["concurrency"]["cancel-in-progress"] is True


def _folders(repository: Path) -> list[Path]:
    """The folders of tests."""
    return [path for path in (repository / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")]


def _ci_run(folder: Path, *parts: str) -> str:
    """Run a copy of `.ci/run` beside tools that only say what they are asked; returns what make was asked."""
    (folder / ".ci").mkdir()
    for path in _folders(REPOSITORY):
        (folder / "tests" / path.name).mkdir(parents=True)
    shutil.copy2(REPOSITORY / ".ci" / "run", folder / ".ci" / "run")
    said = folder / "said"
    said.touch()
    for tool in ("bin/make", ".venv/bin/coverage", ".venv/bin/datavision"):
        (folder / tool).parent.mkdir(parents=True, exist_ok=True)
        says = 'case "${0##*/}" in make) echo "$@" ;; datavision) echo "datavision $@" ;; esac >> "$SAID"'
        (folder / tool).write_text(f"#!/bin/sh\n{says}\n")
        (folder / tool).chmod(0o755)
    for tool in ("bash", "dirname", "id", "rm", "find", "sort", "grep", "tr", "sh"):
        (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    subprocess.run(
        ["bash", ".ci/run", *parts],
        cwd=folder,
        env={"PATH": str(folder / "bin"), "SAID": str(said)},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.read_text()


def _lint(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
