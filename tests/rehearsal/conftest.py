"""One empty account for all tests of the rehearsal, which follow each other."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.rehearsal.account import Account
from tests.rehearsal.page import write_setting
from tests.support.clone import copy_of_the_tree
from tests.support.podman import podman

from fargate_local import FargateLocal

REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNTS = 2_000
"""Of the business in the source database."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificate of Airflow's name; the base image trusts it, as a company's own image would."""
    return trustme.CA()


@pytest.fixture(scope="module")
def hub_image(podman_engine: Any, podman_registry: str, authority: trustme.CA, pytestconfig: pytest.Config) -> str:
    """Docker Hub's `python:3.11`, as far as it is there: Debian's Python, and the company's authority; by tag."""
    folder, _ = podman_engine
    tarball = pytestconfig.cache.mkdir("base-image") / "bookworm.tar"
    if not tarball.exists():
        part = tarball.with_suffix(".part.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates"]
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
        subprocess.run([*command, *excluded, "bookworm", str(part)], check=True, capture_output=True)
        part.rename(tarball)
    context = folder / "base"
    context.mkdir()
    (context / "authority.crt").write_bytes(authority.cert_pem.bytes())
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    podman("import", "-c", path, str(tarball), "localhost/debian:bookworm")
    (context / "Containerfile").write_text(
        "FROM localhost/debian:bookworm\nCOPY authority.crt /usr/local/share/ca-certificates/\n"
        "RUN update-ca-certificates\n"
    )
    name = f"{podman_registry}/python:3.11-slim-bookworm"
    podman("build", "--quiet", "--tag", name, str(context))
    podman("push", "--quiet", name)
    return name


@pytest.fixture(scope="module")
def account(
    podman_engine: Any,
    podman_registry: str,
    hub_image: str,
    authority: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Account]:
    """An empty account, a clone of the repository, and a code host."""
    folder = tmp_path_factory.mktemp("rehearsal")
    project = folder / "project"
    origin = copy_of_the_tree(REPOSITORY, folder / "origin")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(origin), str(folder / "host.git")], check=True)
    subprocess.run(["git", "clone", "--quiet", str(folder / "host.git"), str(project)], check=True)
    write_setting(project / "config" / "dev.toml", "images.base_image", hub_image)
    with FargateLocal(folder / "cloud", runtime="podman", strict=True, options=("--vcpus", "100")) as cloud:
        yield Account(cloud, project, folder / "state", authority)
