"""Each workflow's `run:` lines, in order, against the embedded cloud."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.clone import GIT, copy_of_the_tree, git
from tests.support.cloud import SECRET_VALUES, pointing_to

from datavision import infra
from datavision.config import load
from fargate_local import FargateLocal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


class Runner:
    """A machine as a workflow finds it: a clone of main, with an account behind it."""

    def __init__(self, origin: Path, folder: Path, env: Mapping[str, str]) -> None:
        self.origin = origin
        self._folder = folder
        self._env = dict(env)

    def run(self, workflow: str, inputs: Mapping[str, str] | None = None, jobs: Collection[str] = ()) -> None:
        """Run the named jobs of a workflow, or all; what another workflow does for it is run by its own test."""
        loaded: dict[str, Any] = yaml.safe_load((self.origin_tree() / f".github/workflows/{workflow}.yml").read_text())
        for job in (job for name, job in loaded["jobs"].items() if "steps" in job and (not jobs or name in jobs)):
            clone = self._folder / "work"
            shutil.rmtree(clone, ignore_errors=True)
            subprocess.run(["git", "clone", "--quiet", str(self.origin), str(clone)], check=True)
            for step in job["steps"]:
                if "run" in step:
                    self._line(step["run"], clone, _filled(step.get("env", {}), inputs or {}))

    def _line(self, line: str, clone: Path, variables: Mapping[str, str]) -> None:
        done = subprocess.run(
            ["bash", "-e", "-c", line],
            cwd=clone,
            env={**self._env, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"

    def origin_tree(self) -> Path:
        path = self._folder / "tree"
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", str(self.origin), str(path)], check=True)
        return path


def _filled(variables: Mapping[str, str], inputs: Mapping[str, str]) -> dict[str, str]:
    return {
        name: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")] if text.startswith("${{ inputs.") else text
        for name, text in variables.items()
        if not text.startswith("${{ github.")
    }


@pytest.fixture(scope="module")
def runner(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("runner")
    bare = folder / "origin.git"
    tree = copy_of_the_tree(repository, folder / "seed")
    git(tree, "clone", "-q", "--bare", ".", str(bare))
    with FargateLocal(store=folder / "state" / "images") as cloud:
        account = {**pointing_to(cloud, repository), "DATAVISION_AWS__ACCOUNT_ID": "123456789012"}
        env = {
            # In MAKEFLAGS a make that runs this suite hands its own PYTEST_ARGS down to the make of the workflow.
            **{name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")},
            **GIT,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTEST_ARGS": "tests/config",
            "WORKERS": "0",
            **{name: value for name, value in account.items() if name != "DATAVISION_CONFIG_DIR"},
            "DATAVISION_STATE_DIR": str(folder / "state"),
            "DATAVISION_IMAGES__ENGINE": "process",
            "DATAVISION_IMAGES__CANARY": "false",
            "DATAVISION_IMAGES__SCAN_GATE": "CRITICAL",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in account.items():
                patch.setenv(name, value)
            for target in ("dev", "prod"):
                infra.deploy(load(target))
                infra.put_secret_values(load(target), SECRET_VALUES)
        yield Runner(bare, folder, env)


def pin(runner: Runner, env: str, pipeline: str) -> str:
    return (runner.origin_tree() / f"dags/pins/{env}/{pipeline}.toml").read_text()


def test_ci_runs_the_fast_tests(runner: Runner) -> None:
    """Lint would say here what it says of the same tree anyway, and the other jobs would run this test again."""
    runner.run("ci", jobs=("fast",))


def test_a_release_reaches_dev_and_then_prod_and_a_form_takes_one_pipeline_back(runner: Runner) -> None:
    runner.run("release")
    first = pin(runner, "prod", "pipeline_fact_rfm")
    tree = runner.origin_tree()
    with (tree / "packages/ingesta/src/ingesta/__init__.py").open("a") as file:
        file.write("# a change\n")
    git(tree, "commit", "-qam", "A change")
    git(tree, "push", "-q")
    runner.run("release")
    assert 'version = "0.1.1"' in pin(runner, "prod", "pipeline_fact_rfm")
    inputs = {"pipeline": "pipeline_fact_rfm", "version": "0.1.0", "environment": "prod", "reason": "a probe; $(false)"}
    runner.run("rollback", inputs)
    back = pin(runner, "prod", "pipeline_fact_rfm")
    assert 'version = "0.1.0"' in back
    assert 'reason = "a probe; $(false)"' in back
    assert back.partition("[images")[2] == first.partition("[images")[2]
    assert 'version = "0.1.1"' in pin(runner, "prod", "pipeline_suscripciones")
