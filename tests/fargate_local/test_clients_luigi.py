"""Luigi's stock ``ECSTask``, in an environment of its own that uv makes, outside this repository's lock."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cloud import Ecs

UV = os.environ.get("UV") or shutil.which("uv") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UV, reason="needs uv on the PATH to make Luigi's environment"),
]
PROGRAM = """
import sys
import luigi
from luigi.contrib.ecs import ECSTask

class Work(ECSTask):
    cluster = sys.argv[1]
    task_def_arn = sys.argv[2]
    done = False

    @property
    def command(self):
        return [{"name": "app", "command": ["sh", "-c", sys.argv[4]]}]

    @property
    def run_task_kwargs(self):
        network = {"awsvpcConfiguration": {"subnets": [sys.argv[3]]}}
        return {"launchType": "FARGATE", "networkConfiguration": network}

    def run(self):
        super().run()
        self.done = True

    def complete(self):
        return self.done

sys.exit(0 if luigi.build([Work()], local_scheduler=True, workers=1) else 1)
"""


RunLuigi = Callable[[str], tuple[int, list[int], str]]


@pytest.fixture
def luigi(ecs: Ecs, tmp_path: Path) -> RunLuigi:
    """Runs a script as a Luigi task; returns Luigi's exit code."""
    (tmp_path / "work.py").write_text(PROGRAM)

    def run(script: str) -> tuple[int, list[int], str]:
        family = ecs.define({"command": ["false"], "logged": True})
        definition = ecs.api.describe_task_definition(taskDefinition=family)["taskDefinition"]["taskDefinitionArn"]
        done = subprocess.run(
            [
                *(UV, "run", "--no-project", "--isolated", "--with", "luigi>=3.6", "--with", "boto3"),
                *("python", "work.py", ecs.cluster, definition, ecs.subnet, script),
            ],
            cwd=tmp_path,
            env={**os.environ, **ecs.cloud.environment},
            check=False,
            timeout=280,
            capture_output=True,
            text=True,
        )
        listed = ecs.api.list_tasks(cluster=ecs.cluster, family=family, desiredStatus="STOPPED")["taskArns"]
        return done.returncode, [ecs.describe(arn)["containers"][0]["exitCode"] for arn in listed], done.stderr

    return run


def test_luigis_task_runs_and_succeeds(luigi: RunLuigi) -> None:
    code, exits, said = luigi("exit 0")
    assert (code, exits) == (0, [0]), said
