"""fargate-local's action: what the linters say of it, and its steps, run as a runner does."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml
from tests.support.children import bare_environment
from tests.support.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "packages" / "fargate-local"
ACTION = PACKAGE / "action.yml"
WORKFLOW = """
name: uses it
on: push
jobs:
  test:
    runs-on: ubuntu-24.04
    steps:
      - id: cloud
        uses: ./packages/fargate-local
        with:
          package: fargate-local==0.1.0
          port: "5556"
          options: --strict
      - run: aws --endpoint-url "$URL" ecs list-clusters
        env:
          URL: ${{ steps.cloud.outputs.url }}
"""


@pytest.fixture
def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    return loaded


def lint(*command: str, folder: Path) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing() -> None:
    lint("zizmor", "--offline", "--no-progress", "--persona", "pedantic", str(ACTION), folder=REPOSITORY)


def test_actionlint_takes_a_workflow_that_uses_it(tmp_path: Path) -> None:
    """actionlint reads the action for its inputs and outputs."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    workflow = tmp_path / ".github" / "workflows" / "uses.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(WORKFLOW)
    (tmp_path / "packages" / "fargate-local").mkdir(parents=True)
    shutil.copy2(ACTION, tmp_path / "packages" / "fargate-local")
    lint("actionlint", str(workflow), folder=tmp_path)


def test_actionlint_finds_nothing_in_its_steps(action: dict[str, Any], tmp_path: Path) -> None:
    steps = [
        {**step, "env": {name: value.replace("inputs.", "env.") for name, value in step["env"].items()}}
        for step in action["runs"]["steps"]
    ]
    workflow = tmp_path / "steps.yml"
    job = {"runs-on": "ubuntu-24.04", "steps": steps}
    workflow.write_text(yaml.safe_dump({"name": "steps", "on": "push", "jobs": {"steps": job}}))
    lint("actionlint", str(workflow), folder=tmp_path)


@dataclass
class Runner:
    """What a runner gives the steps of an action, and what it makes of the files that they write."""

    folder: Path
    inputs: Mapping[str, str]

    def run(self, steps: list[dict[str, Any]]) -> list[subprocess.CompletedProcess[str]]:
        return [self._run(step) for step in steps]

    def _run(self, step: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
        named = {name: value.removeprefix("${{ inputs.").removesuffix(" }}") for name, value in step["env"].items()}
        given = {name: self.inputs[value] for name, value in named.items()}
        files = {f"GITHUB_{name}": str(self.folder / name.lower()) for name in ("ENV", "PATH", "OUTPUT")}
        with (self.folder / "said").open("w+") as said:
            # As a runner's log, which does not wait for what a step leaves in the background.
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                env=bare_environment(HOME=str(self.folder), RUNNER_TEMP=str(self.folder), **files, **given),
                stdout=said, stderr=said, text=True, check=False,
            )  # fmt: skip
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, said.read())

    def written(self, name: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.folder / name).read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    yield Runner(tmp_path, {"package": str(PACKAGE), "port": str(free_port()), "options": "--record-life 60"})
    for process in psutil.process_iter(["cmdline"]):
        if str(tmp_path / "fargate-local" / "bin") in " ".join(process.info["cmdline"] or ()):
            process.terminate()
            process.wait(30)


@pytest.mark.slow
def test_the_steps_that_follow_have_a_cloud_and_its_command(action: dict[str, Any], runner: Runner) -> None:
    installed, served = runner.run(action["runs"]["steps"])
    assert installed.returncode == 0, installed.stdout
    assert served.returncode == 0, served.stdout
    variables = runner.written("env")
    assert f"::add-mask::{variables['AWS_SECRET_ACCESS_KEY']}" in served.stdout
    assert runner.written("output") == {"url": variables["AWS_ENDPOINT_URL"]}
    ecs = boto3.client(
        "ecs",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    ecs.create_cluster(clusterName="made")
    path = (runner.folder / "path").read_text().strip()
    bare = bare_environment(HOME=str(runner.folder), **variables)
    command = [f"{path}/fargate-local", "ps", "--json"]
    listed = subprocess.run(command, env=bare, capture_output=True, text=True, check=True)
    assert listed.stdout == "[]\n"


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(action: dict[str, Any], runner: Runner) -> None:
    runner.inputs = {**runner.inputs, "options": "--faults /no/such/file"}
    (runner.folder / "fargate-local" / "bin").mkdir(parents=True)
    program = runner.folder / "fargate-local" / "bin" / "fargate-local"
    program.symlink_to(Path(sys.executable).with_name("fargate-local"))
    (served,) = runner.run(action["runs"]["steps"][1:])
    assert served.returncode == 1
    assert "cannot read fault rules" in served.stdout
