"""The empty account of the rehearsal."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import trustme
from tests.rehearsal.account import Account
from tests.rehearsal.page import write_setting
from tests.rehearsal.report import show
from tests.support.clone import copy_of_the_tree
from tests.support.podman import cached_debian, podman

from fargate_local import FargateLocal

NAME = "python:3.11-slim-bookworm"
TRUSTING = """FROM {base}
COPY authority.crt /usr/local/share/ca-certificates/
RUN update-ca-certificates
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificate of Airflow's name; the base image trusts it, as a company's own image would."""
    return trustme.CA()


@pytest.fixture(scope="module")
def hub_image(podman_engine: Path, authority: trustme.CA, pytestconfig: pytest.Config) -> Iterator[str]:
    """Debian's Python and the company's authority, by tag in a registry that is open to everybody."""
    with FargateLocal(podman_engine / "hub", options=("--open",)) as hub:
        address = hub.url.removeprefix("http://")
        (podman_engine / "registries.conf").write_text(f'[[registry]]\nlocation="{address}"\ninsecure=true\n')
        boto3.client("ecr", **hub.client_args).create_repository(repositoryName=NAME.partition(":")[0])
        context = podman_engine / "context"
        context.mkdir()
        (context / "authority.crt").write_bytes(authority.cert_pem.bytes())
        (context / "Containerfile").write_text(TRUSTING.format(base=cached_debian(pytestconfig)))
        podman("build", "--quiet", "--tag", f"{address}/{NAME}", str(context))
        podman("push", "--quiet", f"{address}/{NAME}")
        yield f"{address}/{NAME}"


@pytest.fixture(scope="module")
def account(
    hub_image: str, authority: trustme.CA, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """An empty account, a clone of the repository, and a code host."""
    folder = tmp_path_factory.mktemp("rehearsal")
    project = folder / "project"
    origin = copy_of_the_tree(repository, folder / "origin")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(origin), str(folder / "host.git")], check=True)
    subprocess.run(["git", "clone", "--quiet", str(folder / "host.git"), str(project)], check=True)
    for key, value in (("images.base_image", hub_image), ("ci.repository", "datavision/rehearsal")):
        write_setting(project / "config" / "dev.toml", key, value)
    with FargateLocal(folder / "cloud", runtime="podman", strict=True, options=("--vcpus", "100")) as cloud:
        found = Account(cloud, project, folder / "state", authority)
        yield found
        show(found)
