"""The wheel in an environment of its own, with the newest and with the oldest dependencies that it allows."""

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from tests.support.children import bare_environment

PROGRAM = """
import boto3
from fargate_local import FargateLocal

with FargateLocal() as cloud:
    ecs, ec2, iam, logs = (boto3.client(name, **cloud.client_args) for name in ("ecs", "ec2", "iam", "logs"))
    ecs.create_cluster(clusterName="demo")
    logs.create_log_group(logGroupName="/demo")
    role = iam.create_role(RoleName="execution", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    options = {"awslogs-group": "/demo", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "demo"}
    ecs.register_task_definition(
        family="hello", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
        executionRoleArn=role, containerDefinitions=[{
            "name": "app", "image": "host", "command": ["sh", "-c", "echo hello; exit 3"],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }],
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    arn = ecs.run_task(
        cluster="demo", taskDefinition="hello", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )["tasks"][0]["taskArn"]
    waiter = ecs.get_waiter("tasks_stopped")
    waiter.config.delay = 0.1
    waiter.wait(cluster="demo", tasks=[arn])
    (task,) = ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"]
    stream = f"demo/app/{arn.rpartition('/')[2]}"
    lines = logs.get_log_events(logGroupName="/demo", logStreamName=stream)["events"]
    print(task["containers"][0]["exitCode"], *(line["message"] for line in lines))
"""


@pytest.fixture(scope="module")
def uv() -> str:
    found = shutil.which("uv")
    assert found, "make puts uv on the PATH"
    return found


@pytest.fixture(scope="module")
def wheel(uv: str, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    package = repository / "packages" / "fargate-local"
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, package], check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_says_what_it_is(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(about).decode())
        (licence,) = (name for name in names if name.endswith("/licenses/LICENSE"))
        assert archive.read(licence) == (repository / "LICENSE").read_bytes()
    assert (told["License-Expression"], told["License-File"]) == ("Apache-2.0", "LICENSE")
    assert told["Author"] == "DataVision"
    assert told["Description-Content-Type"] == "text/markdown"
    assert str(told.get_payload()).startswith("# fargate-local")
    assert "Framework :: Pytest" in told.get_all("Classifier", [])
    assert "fargate_local/py.typed" in names
    assert not [name for name in names if not name.startswith(("fargate_local/", "fargate_local-"))]


@pytest.mark.slow
@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
def test_it_runs_a_task_where_nothing_else_is_installed(uv: str, wheel: Path, resolution: str, tmp_path: Path) -> None:
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--resolution", resolution, wheel], check=True)
    bare = bare_environment(HOME=str(tmp_path))
    told = subprocess.run(
        [python.with_name("fargate-local"), "--version"], env=bare, check=True, capture_output=True, text=True
    )
    version = wheel.name.split("-")[1]
    assert told.stdout.startswith(f"fargate-local {version} (moto 5.2.")
    done = subprocess.run([python, "-c", PROGRAM], env=bare, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["3 hello"], done.stderr
