"""The podman runtime in tests: an engine with storage of its own, a real registry, an image of this machine's programs.

Needs root and podman, runc, docker-registry, ip, iptables: Debian packages of these names, and iproute2; CI has them.
"""

import json
import os
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs
from tests.support.ports import free_port

from fargate_local import FargateLocal

PROGRAMS = ("podman", "runc", "docker-registry", "ip", "iptables")
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
needs_podman = [
    pytest.mark.containers,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS) or os.geteuid() != 0,
        reason="needs root and: apt-get install podman runc docker-registry iproute2 iptables",
    ),
]
SHELL = ("sleep", "env", "cat", "id", "head", "tail", "getent", "perl", "hostname")
PodmanCloud = Callable[..., AbstractContextManager[Ecs]]
"""The fixture `podman_cloud`: starts a cloud with these settings whose ECR has the image `module:1.0.0`."""


@pytest.fixture(scope="module")
def podman_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
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
def podman_registry(podman_engine: Any) -> Iterator[Any]:
    """A real registry on loopback."""
    folder, address = podman_engine
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
def podman_image(podman_engine: Any, podman_registry: str) -> tuple[str, str]:
    """(digest, manifest) of an image of one static shell, pushed to the registry."""
    folder, _ = podman_engine
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    (root / "declared").mkdir()
    (root / "declared" / "kept").touch()
    (root / "declared").chmod(0o1777)
    os.chown(root / "declared", 1234, 1234)
    copy_program(Path("/bin/sh").resolve(), root, "bin/sh")
    for program in SHELL:
        found = shutil.which(program)
        assert found
        copy_program(Path(found).resolve(), root, f"bin/{program}")
    for library in perl_library():
        shutil.copytree(library, root / library.lstrip("/"), dirs_exist_ok=True)
    with tarfile.open(folder / "root.tar", "w") as archive:
        archive.add(root, arcname=".")
    name = f"{podman_registry}/module:1.0.0"
    podman(
        "import",
        "--change",
        "ENV COLOUR=red",
        "--change",
        "VOLUME /declared",
        "--change",
        'CMD ["/bin/sh","-c","echo default"]',
        str(folder / "root.tar"),
        name,
    )
    podman("push", "--digestfile", str(folder / "digest"), name)
    podman("rmi", "--all", "--force")
    digest = (folder / "digest").read_text().strip()
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    request = urllib.request.Request(f"http://{podman_registry}/v2/module/manifests/{digest}", headers=accept)
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


def perl_library() -> list[str]:
    """The folders of perl's own modules, `IO::Socket` among them."""
    listed = subprocess.run(["perl", "-e", "print join qq(\\n), @INC"], capture_output=True, text=True, check=True)
    return [folder for folder in listed.stdout.split() if "perl-base" in folder]


@pytest.fixture(scope="module")
def podman_cloud(podman_image: tuple[str, str], podman_registry: str) -> PodmanCloud:
    """Starts clouds whose ECR has the image and whose pulls go to the registry."""

    @contextmanager
    def start(*options: str, **settings: Any) -> Iterator[Ecs]:
        digest, manifest = podman_image
        mapped = ("--registry-map", f"{REGISTRY}={podman_registry}")
        with FargateLocal(runtime="podman", options=(*mapped, *options), **settings) as cloud:
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

    return start


def podman_container(script: str | None = None, **settings: Any) -> dict[str, Any]:
    command = {"command": ["/bin/sh", "-c", script]} if script else {}
    return {"image": f"{REGISTRY}/module:1.0.0", "logged": True, **command, **settings}
