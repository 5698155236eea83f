"""The podman runtime: the real image by digest from a real registry.

Needs podman, runc, buildah, docker-registry (Debian packages of these names) and root; CI installs them.
"""

import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs

from fargate_local import FargateLocal

PROGRAMS = ("podman", "runc", "docker-registry")
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS) or os.geteuid() != 0,
        reason="needs root and: apt-get install podman runc docker-registry",
    ),
]


def free_port() -> Any:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The environment of a podman with storage of its own, set for this process."""
    folder = tmp_path_factory.mktemp("podman")
    registry = f"127.0.0.1:{free_port()}"
    (folder / "containers.conf").write_text(
        '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
        '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver="overlay"\ngraphroot="{folder}/graph"\nrunroot="{folder}/run"\n'
    )
    (folder / "registries.conf").write_text(f'[[registry]]\nlocation="{registry}"\ninsecure=true\n')
    patch = pytest.MonkeyPatch()
    patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
    patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
    patch.setenv("CONTAINERS_REGISTRIES_CONF", str(folder / "registries.conf"))
    yield folder, registry
    podman("system", "reset", "--force")
    patch.undo()


def podman(*words: str) -> Any:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def registry(engine: Any) -> Iterator[Any]:
    """A real registry on loopback."""
    folder, address = engine
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": address},
    }
    (folder / "registry.yml").write_text(json.dumps(settings))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/"):
                break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def image(engine: Any, registry: str) -> tuple[str, str]:
    """(digest, manifest) of an image of one static shell, pushed to the registry."""
    folder, _ = engine
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    copy_program(Path("/bin/sh").resolve(), root, "bin/sh")
    for program in ("sleep", "env", "cat", "id", "head", "tail"):
        found = shutil.which(program)
        assert found
        copy_program(Path(found).resolve(), root, f"bin/{program}")
    with tarfile.open(folder / "root.tar", "w") as archive:
        archive.add(root, arcname=".")
    name = f"{registry}/module:1.0.0"
    podman(
        "import",
        "--change",
        "ENV COLOUR=red",
        "--change",
        'CMD ["/bin/sh","-c","echo default"]',
        str(folder / "root.tar"),
        name,
    )
    podman("push", "--digestfile", str(folder / "digest"), name)
    podman("rmi", "--all", "--force")
    digest = (folder / "digest").read_text().strip()
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    request = urllib.request.Request(f"http://{registry}/v2/module/manifests/{digest}", headers=accept)
    with urllib.request.urlopen(request) as answer:
        return digest, answer.read().decode()


def copy_program(source: Any, root: Path, target: Any) -> None:
    """A program with the libraries it is linked to."""
    shutil.copy2(source, root / target)
    listed = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=False).stdout
    for word in listed.split():
        if word.startswith("/") and Path(word).exists():
            (root / word.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(word, root / word.lstrip("/"))


@pytest.fixture(scope="module")
def ecs(image: tuple[str, str], registry: str) -> Iterator[Ecs]:
    """A cloud whose ECR has the image and whose pulls go to the registry."""
    digest, manifest = image
    options = ("--registry-map", f"{REGISTRY}={registry}")
    with FargateLocal(runtime="podman", options=options) as cloud:
        ecs = Ecs(cloud)
        ecr = ecs.client("ecr")
        ecr.create_repository(repositoryName="module")
        ecr.put_image(
            repositoryName="module",
            imageManifest=manifest,
            imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
            imageTag="1.0.0",
            imageDigest=digest,
        )
        yield ecs


def container(script: str | None = None, **settings: Any) -> dict[str, Any]:
    command = {"command": ["/bin/sh", "-c", script]} if script else {}
    return {"image": f"{REGISTRY}/module:1.0.0", "logged": True, **command, **settings}


def test_the_image_is_pulled_by_digest_and_runs(ecs: Ecs, image: str) -> None:
    task = ecs.finish(ecs.define(container()))
    assert task["containers"][0].get("exitCode") == 0, task
    assert task["containers"][0]["imageDigest"] == image[0]
    assert ecs.logs(task["taskArn"]) == ["default"]


@pytest.mark.parametrize("code", [3, 125, 126, 127])
def test_the_exit_code_of_the_command_is_the_containers(ecs: Ecs, code: int) -> None:
    task = ecs.finish(ecs.define(container(f"exit {code}")))
    assert task["containers"][0]["exitCode"] == code


def test_environment_of_image_and_task_meet_and_the_cloud_is_reached(ecs: Ecs) -> None:
    script = 'echo "$COLOUR $SIZE $AWS_ENDPOINT_URL $PATH"'
    environment = [{"name": "SIZE", "value": "two words"}, {"name": "PATH", "value": "/bin:/own"}]
    task = ecs.finish(ecs.define(container(script, environment=environment)))
    assert ecs.logs(task["taskArn"]) == [f"red two words {ecs.cloud.url} /bin:/own"]


def test_a_read_only_root_leaves_tmp_writable(ecs: Ecs) -> None:
    script = "echo x > /tmp/file && echo tmp; echo x > /file || echo refused"
    task = ecs.finish(ecs.define(container(script, readonlyRootFilesystem=True)))
    lines = ecs.logs(task["taskArn"])
    assert "tmp" in lines
    assert "refused" in lines


def test_the_tasks_user_runs_it(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container("id -u", user="1234")))
    assert ecs.logs(task["taskArn"]) == ["1234"]


def test_sigterm_reaches_the_command_and_sigkill_follows(ecs: Ecs) -> None:
    kind = ecs.define(container("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"))
    stubborn = ecs.define(container("trap '' TERM; echo ready; while :; do sleep 0.1; done", stopTimeout=2))
    codes = []
    for family in (kind, stubborn):
        arn = ecs.run(family)
        ecs.log_line(arn)
        ecs.api.stop_task(cluster=ecs.cluster, task=arn)
        codes.append(ecs.stopped(arn)["containers"][0]["exitCode"])
    assert codes == [5, 137]


def test_memory_is_limited(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define(container("head -c 300000000 /dev/zero | tail > /dev/null; exit $?", memory=64)))
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"].startswith("OutOfMemoryError")


def test_a_program_the_image_has_not_fails_to_start(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({**container(), "command": ["/no-such-program"]}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError")
    assert "no-such-program" in task["stoppedReason"]


def test_an_image_the_registry_has_not_cannot_be_pulled(ecs: Ecs) -> None:
    ghost = f"sha256:{'0' * 64}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})
    ecs.client("ecr").put_image(repositoryName="module", imageManifest=manifest, imageTag="ghost", imageDigest=ghost)
    task = ecs.finish(ecs.define({"image": f"{REGISTRY}/module:ghost", "command": ["x"]}))
    assert task["stoppedReason"].startswith("CannotPullContainerError: pull image manifest has been retried")


def test_a_volume_is_shared_and_gone_afterwards(ecs: Ecs) -> None:
    family = ecs.define(
        container(
            "cat /in/word; echo x > /in/y || echo refused",
            dependsOn=[{"containerName": "writer", "condition": "SUCCESS"}],
            mountPoints=[{"sourceVolume": "shared", "containerPath": "/in", "readOnly": True}],
        ),
        container(
            "echo hello > /out/word",
            name="writer",
            essential=False,
            mountPoints=[{"sourceVolume": "shared", "containerPath": "/out"}],
        ),
        volumes=[{"name": "shared"}],
    )
    lines = ecs.logs(ecs.finish(family)["taskArn"])
    assert {"hello", "refused"} <= set(lines)
    assert podman("volume", "ls", "--quiet") == ""


def test_a_line_of_standard_error_is_not_broken_by_one_of_standard_output(ecs: Ecs) -> None:
    script = "for i in 1 2 3 4 5; do printf half >&2; sleep 0.1; echo whole; sleep 0.1; echo -other >&2; done"
    lines = ecs.logs(ecs.finish(ecs.define(container(script)))["taskArn"])
    assert sorted(lines) == ["half-other"] * 5 + ["whole"] * 5


def test_limits_and_capabilities_are_the_definitions(ecs: Ecs) -> None:
    script = "ulimit -Sn; while read name value; do case $name in CapBnd:) echo $value;; esac; done < /proc/self/status"
    settings = {
        # Podman takes its own default for what is not given, and here that is more than it may set.
        "ulimits": [
            {"name": "nofile", "softLimit": 100, "hardLimit": 200},
            {"name": "nproc", "softLimit": 1024, "hardLimit": 1024},
        ],
        "linuxParameters": {"capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}},
    }
    lines = ecs.logs(ecs.finish(ecs.define(container(script, **settings)))["taskArn"])
    assert lines == ["100", f"{1 << 19:016x}"]


def test_a_health_check_runs_in_the_container(ecs: Ecs) -> None:
    check = {"command": ["CMD-SHELL", 'test "$COLOUR" = red && cat /tmp/well'], "interval": 5, "retries": 1}
    arn = ecs.run(ecs.define(container("echo yes > /tmp/well; sleep 60", healthCheck=check, stopTimeout=2)))
    assert ecs.until(arn, lambda task: task["healthStatus"] != "UNKNOWN")["healthStatus"] == "HEALTHY"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)


def test_no_container_is_left(ecs: Ecs) -> None:
    ecs.finish(ecs.define(container("exit 0")))
    assert podman("ps", "--all", "--quiet", "--filter", "label=fargate-local.server") == ""
