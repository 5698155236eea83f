"""The image of fargate-local with a real engine: it serves, keeps its state in its volume, and is nobody special."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.cloud import Ecs
from tests.support.page_visitor import PAGE, Visitor
from tests.support.ports import free_port

from fargate_local import FargateLocal
from fargate_local.keys import ServerKey

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]

NAME = "fargate-local-image-test"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def podman_out(*arguments: str) -> str:
    done = subprocess.run(["podman", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def image(podman: dict[str, str], base_image: str, repository: Path) -> str:
    context = repository / "packages" / "fargate-local"
    podman_out(
        "build", "--quiet", "--tag", "localhost/fargate-local", "--build-arg", f"BASE_IMAGE={base_image}",
        "--secret", f"id=ca,src={CERTIFICATES}", "--network", "host", "--file", str(context / "Containerfile"),
        str(context),
    )  # fmt: skip
    return "localhost/fargate-local"


@pytest.fixture
def served(image: str) -> Iterator[FargateLocal]:
    """The cloud in the container, as its user reaches it."""
    port = free_port()
    podman_out("run", "--detach", "--name", NAME, "--publish", f"127.0.0.1:{port}:5555", image)
    yield cloud_at(port)
    podman_out("rm", "--force", "--time", "20", "--volumes", NAME)


def cloud_at(port: int) -> FargateLocal:
    """The cloud that the container serves, with the key that its own commands find."""
    key = json.loads(podman_out("exec", NAME, "fargate-local", "env", "--json", "--wait", "60"))
    cloud = FargateLocal()
    cloud.key = ServerKey(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"], f"http://127.0.0.1:{port}")
    return cloud


def test_a_task_runs_in_the_container_of_the_server(served: FargateLocal) -> None:
    ecs = Ecs(served)
    arn = ecs.finish(ecs.define_shell("id -u; exit 3"))["taskArn"]
    assert ecs.logs(arn) == ["10001"]
    assert ecs.describe(arn)["containers"][0]["exitCode"] == 3


def test_the_page_is_in_the_image(served: FargateLocal) -> None:
    url = podman_out("exec", NAME, "fargate-local", "ui", "--no-browser").strip()
    assert Visitor(served).bring(url.partition("#code=")[2]).status == 200
    assert Visitor(served).send("GET", f"{PAGE}/static/main.mjs").status == 200


def test_nobody_calls_it_without_its_key(served: FargateLocal) -> None:
    stranger: Any = boto3.client(
        "ecs", **{**served.client_args, "aws_access_key_id": "STRANGER000000000000", "aws_secret_access_key": "x"}
    )
    with pytest.raises(stranger.exceptions.ClientError, match="UnrecognizedClientException"):
        stranger.list_clusters()


def test_state_outlives_the_container_in_its_volume(image: str) -> None:
    volume, port = f"{NAME}-state", free_port()
    published = ("--publish", f"127.0.0.1:{port}:5555", "--volume", f"{volume}:/state")
    try:
        podman_out("run", "--detach", "--name", NAME, *published, image)
        before = cloud_at(port)
        boto3.client("ecs", **before.client_args).create_cluster(clusterName="kept")
        podman_out("stop", "--time", "20", NAME)
        assert podman_out("inspect", "--format", "{{.State.ExitCode}}", NAME).strip() == "0"
        podman_out("rm", NAME)
        podman_out("run", "--detach", "--name", NAME, *published, image)
        after = cloud_at(port)
        assert after.key == before.key
        arns = boto3.client("ecs", **after.client_args).list_clusters()["clusterArns"]
        assert [arn.rpartition("/")[2] for arn in arns] == ["kept"]
    finally:
        podman_out("rm", "--force", "--time", "20", NAME)
        podman_out("volume", "rm", "--force", volume)


def test_testcontainers_runs_it_as_the_readme_says(image: str, repository: Path, tmp_path: Path) -> None:
    """Its client speaks to podman's service; what it removes containers with would come from Docker's registry."""
    readme = (repository / "packages" / "fargate-local" / "README.md").read_text()
    (program,) = re.findall(r"```python\n(from testcontainers.*?)```", readme, re.DOTALL)
    script = tmp_path / "script.py"
    named = program.replace('"fargate-local"', f'"{image}"', 1)
    script.write_text(f"{named}    print(ecs.list_clusters()['clusterArns'])\n")
    service = f"unix://{tmp_path}/podman.sock"
    # It takes a machine with /.dockerenv for a container, whose published ports are elsewhere.
    settings = {
        "DOCKER_HOST": service,
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
    }
    with subprocess.Popen(["podman", "system", "service", "--time", "0", service]) as podman_service:
        try:
            done = subprocess.run(
                ["uv", "run", "--no-project", "--python", sys.executable, "--with", "testcontainers", "--with", "boto3",
                 "python", script],
                env={**os.environ, **settings},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            podman_service.terminate()
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_image_has_no_source_installer_or_certificate(image: str) -> None:
    found = podman_out(
        "run", "--rm", "--entrypoint", "/bin/sh", image, "-c",
        "ls -d /src /run/secrets/ca /root/.cache 2>/dev/null; ls /opt/fargate-local/bin | grep '^pip';"
        " find /opt -name '*__editable__*'; true",
    )  # fmt: skip
    assert found.split() == []
