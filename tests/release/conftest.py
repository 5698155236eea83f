"""A project of its own for each release test, on one embedded cloud whose images they share."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.clone import copy_of_the_tree
from tests.support.cloud import SECRET_VALUES, pointing_to
from tests.support.podman import cached_debian, own_podman
from tests.support.ports import free_port

from datavision import infra
from datavision.config import Config, load
from datavision.images.process import ProcessBuilder, _config
from datavision.images.recipe import Stamp
from datavision.images.source import ModuleSource
from datavision.release.pins.git import PinRepository
from fargate_local import FargateLocal

ENVIRONMENT = {
    "DATAVISION_AWS__ACCOUNT_ID": "123456789012",
    "DATAVISION_IMAGES__ENGINE": "process",
    "DATAVISION_IMAGES__CANARY": "false",
    # moto answers every scan with the HIGH finding of the API reference's example.
    "DATAVISION_IMAGES__SCAN_GATE": "CRITICAL",
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@datavision.example",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@datavision.example",
}


@dataclass(frozen=True)
class Project:
    """A clone of the repository with releases of its own."""

    path: Path
    config: Config

    @property
    def repo(self) -> PinRepository:
        return PinRepository.of_project(self.path)

    def change(self, path: str, text: str) -> None:
        """Append a line to a file and commit it."""
        with (self.path / path).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
        self.commit(f"Change {path}")

    def change_ingesta(self, note: str) -> None:
        self.change("packages/ingesta/src/ingesta/__init__.py", f"# {note}")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout.strip()


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of the worker's own, but for the environments that images start from: one of them takes 20 seconds
    to install and compile, and builds of several processes share them safely."""
    folder, run = tmp_path_factory.mktemp("state"), tmp_path_factory.getbasetemp()
    shared = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "environments"
    shared.mkdir(exist_ok=True)
    (folder / "environments").symlink_to(shared)
    return folder


@pytest.fixture(scope="session")
def cloud(state: Path) -> Iterator[FargateLocal]:
    with FargateLocal(store=state / "images") as started:
        yield started


@pytest.fixture(scope="session")
def origin(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as one commit."""
    return copy_of_the_tree(repository, tmp_path_factory.mktemp("origin") / "project")


@pytest.fixture(scope="session")
def variables(cloud: FargateLocal, state: Path, repository: Path) -> dict[str, str]:
    """The variables of an account in which dev and prod are deployed."""
    found = {**ENVIRONMENT, **pointing_to(cloud, repository), "DATAVISION_STATE_DIR": str(state)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.items():
            patch.setenv(name, value)
        for env in ("dev", "prod"):
            config = load(env)
            infra.deploy(config)
            infra.put_secret_values(config, SECRET_VALUES)
    return found


@pytest.fixture(scope="module")  # it sets variables that tests of other folders must not see
def environment(variables: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def project(origin: Path, environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    path = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(origin), str(path)], check=True)
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(path / "config"))
    monkeypatch.chdir(path)
    return Project(path, load("dev"))


def build_scripts(patch: pytest.MonkeyPatch, line: str) -> None:
    """Have images built that hold one shell script, which ends with this line: in no time, and 1 MiB large."""

    def build(builder: ProcessBuilder, source: ModuleSource, stamp: Stamp) -> str:
        with tempfile.TemporaryDirectory(dir=builder._state) as folder:
            program = Path(folder) / "app" / ".venv" / "bin" / "datavision-run"
            program.parent.mkdir(parents=True)
            program.write_text(f"#!/bin/sh\necho {source.hash}\n{line}\n")
            program.chmod(0o755)
            (program.parent / "padding").write_bytes(bytes(2**20))
            return str(builder._store.commit(Path(folder), _config(source, stamp)).manifest)

    patch.setattr(ProcessBuilder, "build", build)


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Images whose one program ends well where the file that this returns is there, else not."""
    flag = tmp_path / "in-order"
    build_scripts(monkeypatch, f"test -e {flag}")
    return flag


@pytest.fixture
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of a script instead of a module's environment, for what is about pins and registries alone."""
    build_scripts(monkeypatch, "true")


PROGRAMS = ("podman", "runc", "skopeo", "docker-registry", "mmdebstrap")
HOW = "apt-get install --no-install-recommends podman runc buildah skopeo docker-registry mmdebstrap, as root"


@pytest.fixture(scope="session")
def podman() -> Iterator[None]:
    """A podman with storage and passwords of its own."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        sentence = f"Real containers need {', '.join(missing) or 'root'}: {HOW}."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    with own_podman():
        yield


@pytest.fixture(scope="session")
def registry(podman: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry other than ECR."""
    address = f"127.0.0.1:{free_port()}"
    with _registry(tmp_path_factory.mktemp("registry"), address):
        yield address


@pytest.fixture(scope="session")
def base_image(podman: None, pytestconfig: pytest.Config) -> str:
    """The local name of a Debian with Python."""
    return cached_debian(pytestconfig)


@contextlib.contextmanager
def _registry(folder: Path, address: str) -> Iterator[None]:
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{delete: {{enabled: true}}, "
        f"filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    # It takes variables of this prefix for settings, and REGISTRY_AUTH_FILE is podman's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log, env=env)
    try:
        host, port = address.split(":")
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)
