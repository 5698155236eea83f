"""A project of its own for each release test, on one embedded cloud whose images they share."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datavision import infra
from datavision.config import Config, load
from datavision.release.git import PinRepository
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
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def cloud(state: Path) -> Iterator[FargateLocal]:
    with FargateLocal(store=state / "images") as started:
        yield started


@pytest.fixture(scope="session")
def origin(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as one commit."""
    path = tmp_path_factory.mktemp("origin") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file() and not name.startswith("dags/pins/"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, path / name)
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *command], cwd=path, check=True, env={**os.environ, **ENVIRONMENT})
    return path


@pytest.fixture(scope="session")
def environment(cloud: FargateLocal, state: Path, repository: Path) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    patch.setenv("DATAVISION_AWS__ENDPOINT_URL", cloud.url)
    patch.setenv("DATAVISION_STATE_DIR", str(state))
    patch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
    for env in ("dev", "prod"):
        config = load(env)
        infra.deploy(config)
        infra.put_secret_values(config, {"source_url": "postgresql://a", "lakehouse_catalog_url": "postgresql://b"})
    yield
    patch.undo()


@pytest.fixture
def project(origin: Path, environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    path = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(origin), str(path)], check=True)
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(path / "config"))
    monkeypatch.chdir(path)
    return Project(path, load("dev"))
