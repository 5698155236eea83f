"""What every Dockerfile promises, read from the file; `tests/release/test_containers.py` builds and runs them."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH
from tests.support.cloud_in_process import cloud_in_process

from datavision.config import load
from datavision.images.builders import open_builder
from datavision.images.containers import ContainerBuilder
from datavision.images.recipe import Stamp
from datavision.images.registry import Registry
from datavision.images.source import read_source

DOCKERFILES = sorted((Path(__file__).resolve().parents[2] / "packages").glob("*/Dockerfile"))


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.parent.name)
def stages(request: pytest.FixtureRequest) -> list[str]:
    """The text of each stage; the last one is the image."""
    text = Path(request.param).read_text()
    return re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]


def test_tmp_is_a_volume_so_that_fargate_mounts_it_as_the_image_has_it(stages: list[str]) -> None:
    lines = stages[-1].splitlines()
    assert "VOLUME /tmp" in lines
    # What a build writes below a volume after its declaration is lost.
    assert lines.index("VOLUME /tmp") > max(number for number, line in enumerate(lines) if line.startswith("COPY"))


def test_the_user_of_the_image_has_a_name_and_may_write_under_tmp(stages: list[str]) -> None:
    (slim,) = (stage for stage in stages if " AS slim\n" in stage)
    assert re.search(r"^RUN /tmp/user\b", slim, flags=re.MULTILINE)
    assert re.search(r"^USER 10001:10001$", stages[-1], flags=re.MULTILINE)
    script = (DOCKERFILES[0].parents[1] / "runtime" / "image" / "user").read_text()
    assert "datavision:x:10001:10001:" in script
    assert "chmod 1777 /tmp" in script


def setting(name: str) -> str:
    """A setting of Airflow as its image has it."""
    text = next(path for path in DOCKERFILES if path.parent.name == "orchestration").read_text()
    return str(re.findall(rf"\b{name}=(\S+)", text)[-1])


def test_airflow_runs_on_the_executor_that_runs_locally() -> None:
    local = DOCKERFILES[0].parents[1] / "orchestration" / "src" / "datavision" / "local" / "airflow.py"
    assert f'"AIRFLOW__CORE__EXECUTOR": "{setting("AIRFLOW__CORE__EXECUTOR")}"' in local.read_text()


def test_pipelines_are_not_left_paused_and_nobody_signs_on_with_a_generated_password() -> None:
    assert setting("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION") == "False"
    assert "fab_auth_manager" in setting("AIRFLOW__CORE__AUTH_MANAGER")
    assert setting("AIRFLOW__FAB__CONFIG_FILE") == "/app/sign_on.py"


def sign_on(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ADMINS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(DOCKERFILES[0].parents[1] / "orchestration" / "sign_on.py"))


def test_people_sign_on_with_the_configured_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = sign_on(monkeypatch, OIDC_ISSUER="https://id.example/", OIDC_CLIENT_ID="airflow", OIDC_ADMINS="jefes")
    assert chosen["AUTH_TYPE"] == AUTH_OAUTH
    (provider,) = chosen["OAUTH_PROVIDERS"]
    assert provider["remote_app"]["server_metadata_url"] == "https://id.example/.well-known/openid-configuration"
    assert chosen["AUTH_ROLES_MAPPING"] == {"jefes": ["Admin"]}
    assert chosen["AUTH_USER_REGISTRATION_ROLE"] == "Viewer"


def test_airflows_image_has_what_signing_on_imports(project: Path) -> None:
    """Flask-AppBuilder imports it once AUTH_TYPE is OAuth, and lists it in an extra only."""
    assert re.search(r"^authlib==", read_source(project, "airflow").requirements, flags=re.MULTILINE)


def test_without_a_provider_nobody_can_register(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = sign_on(monkeypatch)
    assert chosen["AUTH_TYPE"] == AUTH_DB
    assert chosen["AUTH_USER_REGISTRATION"] is False


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    """A copy of what the images are made from, as a git repository."""
    for name in ("config", "packages", "uv.lock", "pyproject.toml"):
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_airflows_image_is_another_one_when_the_configuration_in_it_is(project: Path) -> None:
    before = read_source(project, "airflow").hash
    config = project / "config" / "prod.toml"
    config.write_text(config.read_text().replace('size = "medium"', 'size = "large"'))
    after = read_source(project, "airflow").hash
    assert after != before
    # Its own name in there changes nothing, else no image would ever be the one that is configured.
    config.write_text(config.read_text().replace("[airflow]", '[airflow]\nimage = "registry/airflow@sha256:1"'))
    named = read_source(project, "airflow").hash
    config.write_text(config.read_text().replace("sha256:1", "sha256:2"))
    assert read_source(project, "airflow").hash == named


def test_airflows_image_is_another_one_when_the_scripts_that_make_it_are(project: Path) -> None:
    before = read_source(project, "airflow").hash
    with (project / "packages" / "runtime" / "image" / "trim").open("a") as script:
        script.write("true\n")
    assert read_source(project, "airflow").hash != before


@pytest.fixture
def engines(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, project: Path) -> Path:
    """A folder on the path where docker and podman write the arguments of their last call into `called`."""
    folder = tmp_path_factory.mktemp("bin")
    for engine in ("docker", "podman"):
        (folder / engine).write_text(f'#!/bin/sh\necho {engine} "$@" > {folder}/called\n')
        (folder / engine).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(project / "config"))
    monkeypatch.setenv("DATAVISION_IMAGES__BASE_IMAGE", f"python:3.11@sha256:{'a' * 64}")
    return folder


def built_by(engines: Path, project: Path, engine: str) -> str:
    """The command line of a build of ingesta."""
    builder = ContainerBuilder(load("dev"), project, Registry.__new__(Registry), engine, lambda _: None)
    builder.build(read_source(project, "ingesta"), Stamp("1.0.0", "0" * 40, "https://git"))
    return (engines / "called").read_text()


def test_docker_pushes_an_image_and_no_index_with_a_provenance(engines: Path, project: Path) -> None:
    assert "--provenance=false --sbom=false" in built_by(engines, project, "docker")


def test_podman_is_taken_where_docker_answers_as_well(engines: Path, project: Path) -> None:
    with cloud_in_process(project) as config:
        assert open_builder(config, project, project / "state", "auto").engine == "podman"
        (engines / "podman").write_text("#!/bin/sh\nexit 1\n")
        assert open_builder(config, project, project / "state", "auto").engine == "docker"
