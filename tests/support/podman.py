"""The podman runtime in tests: an engine with storage of its own, an image of this machine's programs.

Needs root and podman, runc, skopeo, ip, iptables: Debian packages of these names, and iproute2; CI has them.
"""

import base64
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs

from fargate_local import FargateLocal

PROGRAMS = ("podman", "runc", "skopeo", "ip", "iptables")
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
needs_podman = [
    pytest.mark.containers,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS) or os.geteuid() != 0,
        reason="needs root and: apt-get install podman runc skopeo iproute2 iptables",
    ),
]
SHELL = ("sleep", "env", "cat", "id", "head", "tail", "getent", "perl", "hostname")
PodmanCloud = Callable[..., AbstractContextManager[Ecs]]
"""The fixture `podman_cloud`: starts a cloud with these settings whose ECR has the image `module:1.0.0`."""


@contextmanager
def own_podman() -> Iterator[Path]:
    """Let this process's podman have storage, runtime files and passwords in a folder of its own, which is yielded."""
    # Not one of pytest's: xdist's have so long a name that podman notices the end of a container 20 seconds late.
    with tempfile.TemporaryDirectory(prefix="podman-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
            '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n'
            f'tmp_dir="{folder}/libpod"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver="overlay"\ngraphroot="{folder}/graph"\nrunroot="{folder}/run"\n'
        )
        (folder / "registries.conf").write_text("")
        (folder / "auth.json").write_text("{}")
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(folder / "registries.conf"))
        patch.setenv("REGISTRY_AUTH_FILE", str(folder / "auth.json"))
        yield folder
        podman("system", "reset", "--force")


@pytest.fixture(scope="module")
def podman_engine() -> Iterator[Path]:
    """The folder of a podman of its own, set for this process."""
    with own_podman() as folder:
        yield folder


def debian_with_python(kept: Path) -> str:
    """Import a Debian, made from packages once and kept in this folder; return its local name."""
    name = "localhost/python:bookworm"
    tarball = kept / "bookworm.tar"
    if not tarball.exists():
        part = tarball.with_suffix(".part.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates"]
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        subprocess.run([*command, *excluded, "bookworm", str(part)], check=True, capture_output=True)
        part.rename(tarball)
    podman("import", "-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", str(tarball), name)
    return name


def cached_debian(config: pytest.Config) -> str:
    """The same, kept in pytest's cache."""
    return debian_with_python(config.cache.mkdir("base-image"))


def podman(*words: str, stdin: str | None = None) -> Any:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False, input=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def podman_image(podman_engine: Path) -> str:
    """The local name of an image of one static shell."""
    root = podman_engine / "root"
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
    with tarfile.open(podman_engine / "root.tar", "w") as archive:
        archive.add(root, arcname=".")
    name = "localhost/module:1.0.0"
    changes = (
        "--change",
        "ENV COLOUR=red",
        "--change",
        "VOLUME /declared",
        "--change",
        'CMD ["/bin/sh","-c","echo default"]',
    )
    podman("import", *changes, str(podman_engine / "root.tar"), name)
    return name


def podman_login(ecr: Any) -> str:
    """Log in to a cloud's registry as whoever signs for this client; returns the registry's name."""
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    host = data["proxyEndpoint"].partition("//")[2]
    podman("login", "--tls-verify=false", "--username", user, "--password-stdin", host, stdin=password)
    return str(host)


def podman_push(ecr: Any, image: str, name: str) -> str:
    """Push to a cloud's registry as `name`; returns the digest there."""
    target = f"{podman_login(ecr)}/{name}"
    with tempfile.NamedTemporaryFile() as digest:
        podman("push", "--tls-verify=false", "--digestfile", digest.name, image, f"docker://{target}")
        return Path(digest.name).read_text().strip()


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
def podman_cloud(podman_image: str) -> PodmanCloud:
    """Starts clouds whose ECR has the image."""

    @contextmanager
    def start(*options: str, **settings: Any) -> Iterator[Ecs]:
        with FargateLocal(runtime="podman", options=options, **settings) as cloud:
            ecs = Ecs(cloud)
            ecr = ecs.client("ecr")
            ecr.create_repository(repositoryName="module")
            podman_push(ecr, podman_image, "module:1.0.0")
            yield ecs

    return start


def podman_container(script: str | None = None, **settings: Any) -> dict[str, Any]:
    command = {"command": ["/bin/sh", "-c", script]} if script else {}
    return {"image": f"{REGISTRY}/module:1.0.0", "logged": True, **command, **settings}
