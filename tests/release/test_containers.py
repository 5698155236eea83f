"""The Dockerfiles with a real engine, pushed to the embedded cloud's ECR; two tests name another registry."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from datavision.aws import checked_client
from datavision.config import Config, load
from datavision.images.base import move_base_image, without_tag
from datavision.images.engine_endpoint import engine_endpoint
from datavision.images.errors import BuildError
from datavision.images.registry import Registry
from datavision.images.run import build_images
from datavision.release.promote import copy_image
from datavision.release.release import Release, plan, release

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]


@pytest.fixture
def containers(project: Any, podman: None, base_image: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("DATAVISION_IMAGES__ENGINE", "podman")
    monkeypatch.setenv("DATAVISION_IMAGES__BASE_IMAGE", base_image)
    return load("dev")


@pytest.fixture
def released(containers: Config) -> Release:
    return release(containers)


def podman_out(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True).stdout


def pulled(config: Config, done: Release, module: str) -> str:
    """The local name of a released image. Its push logged podman in."""
    image = done.images[module]
    name = f"{engine_endpoint(config).host}/{image.repository}@{image.digest}"
    podman_out("pull", "--quiet", "--tls-verify=false", name)
    return name


def shell(config: Config, done: Release, module: str, script: str) -> str:
    name = pulled(config, done, module)
    return podman_out("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--entrypoint", "/bin/sh", name, "-c", script)


def manifest(config: Config, repository: str, reference: str) -> httpx.Response:
    """What the registry answers for an image's tag or digest."""
    endpoint = engine_endpoint(config)
    url = f"http://{endpoint.host}/v2/{repository}/manifests/{reference}"
    accepted = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return httpx.get(url, headers=accepted, auth=(endpoint.user, endpoint.password))


def tags(config: Config, repository: str, digest: str) -> tuple[str, ...]:
    found = Registry(config).find(repository, digest=digest)
    assert found is not None
    return found.tags


def layers(config: Config, done: Release, module: str) -> dict[str, int]:
    """Bytes in the registry of each layer, by digest."""
    image = done.images[module]
    answer = manifest(config, image.repository, image.digest)
    return {layer["digest"]: layer["size"] for layer in answer.json()["layers"]}


def forget_builds(base_image: str) -> None:
    """Leave the base alone: what a machine of CI has that never built anything."""
    base = podman_out("images", "--quiet", "--no-trunc", base_image).strip()
    for image in podman_out("images", "--all", "--quiet", "--no-trunc").split():
        if image != base:
            subprocess.run(["podman", "rmi", "--force", image], check=False, capture_output=True)


def test_the_pinned_digest_is_the_one_the_registry_serves(containers: Config, released: Release) -> None:
    for image in released.images.values():
        answer = manifest(containers, image.repository, image.digest)
        assert answer.headers["Docker-Content-Digest"] == image.digest
        assert all(layer["mediaType"].endswith("+zstd") for layer in answer.json()["layers"])
    assert plan(containers).to_build == ()


def test_an_image_says_what_it_was_made_from_and_runs_as_nobody_special(
    containers: Config, released: Release, project: Any
) -> None:
    name = pulled(containers, released, "ingesta")
    config = json.loads(podman_out("image", "inspect", "--format", "{{json .Config}}", name))
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == released.images["ingesta"].tag
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert len(labels["datavision.source-hash"]) == 64
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["datavision-run"]


def test_an_image_holds_no_compiler_installer_cache_or_certificate(containers: Config, released: Release) -> None:
    for module in released.images:
        found = shell(
            containers,
            released,
            module,
            "for n in gcc cc make pip uv apt dpkg perl; do command -v $n; done; "
            "ls -d /root/.cache /var/lib/apt /opt/uv /src /run/secrets/ca /usr/share/doc 2>/dev/null; "
            "find /app -name tests -path '*datavision*'; true",
        )
        assert found == "", module


def test_an_image_carries_the_bill_of_its_materials(containers: Config) -> None:
    name = build_images(containers, ["ingesta"], None, lambda _: None)["ingesta"]
    bill = json.loads(podman_out("run", "--rm", "--entrypoint", "/bin/cat", name, "/app/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "datavision-ingesta"
    assert "duckdb" in {component["name"] for component in bill["components"]}


def test_a_base_image_is_named_by_the_digest_that_its_registry_gives(
    containers: Config, base_image: str, registry: str, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = f"{registry}/base/python:bookworm"
    podman_out("push", "--tls-verify=false", base_image, tagged)
    monkeypatch.setenv("DATAVISION_IMAGES__BASE_IMAGE", tagged)
    monkeypatch.setenv("DATAVISION_IMAGES__REGISTRY", registry)
    _, moved = move_base_image(load("dev"))
    digest = manifest(load("dev"), "base/python", "bookworm").headers["Docker-Content-Digest"]
    assert moved == f"{tagged}@{digest}"
    assert f'base_image = "{moved}"' in (project.path / "config/dev.toml").read_text()
    assert podman_out("pull", "--quiet", "--tls-verify=false", without_tag(moved)).strip()


def test_only_tmp_can_be_written(containers: Config, released: Release) -> None:
    script = (
        "touch /tmp/a && echo tmp; for d in /app /app/.venv /etc /; do touch $d/a 2>/dev/null && echo $d; done; true"
    )
    assert shell(containers, released, "ingesta", script).split() == ["tmp"]


def test_the_modules_commands_work_and_their_code_lies_under_app(containers: Config, released: Release) -> None:
    for module in released.images:
        name = pulled(containers, released, module)
        assert "doctor" in podman_out("run", "--rm", "--read-only", "--tmpfs", "/tmp", name, module, "--help")
    assert shell(containers, released, "ingesta", "ls /app/ingesta").split() == ["ingesta_datavision.py"]


def test_the_same_source_and_base_give_the_same_bytes(containers: Config, released: Release, base_image: str) -> None:
    before = pulled(containers, released, "ingesta")
    layers = podman_out("image", "inspect", "--format", "{{json .RootFS.Layers}}", before)
    forget_builds(base_image)
    again = build_images(containers, ["ingesta"], None, lambda _: None)["ingesta"]
    assert podman_out("image", "inspect", "--format", "{{json .RootFS.Layers}}", again) == layers


def test_a_release_of_another_machine_adds_to_the_registry_what_changed_and_no_dependency(
    containers: Config, released: Release, project: Any, base_image: str
) -> None:
    before = layers(containers, released, "ingesta")
    forget_builds(base_image)
    project.change_ingesta("one line more")
    after = layers(containers, release(containers), "ingesta")
    assert sum(after.values()) > 50_000_000
    added = sum(size for digest, size in after.items() if digest not in before)
    assert 0 < added < 250_000


def test_a_failed_build_shows_the_failing_step_and_nothing_else(containers: Config, project: Any) -> None:
    dockerfile: Path = project.path / "packages/ingesta/Dockerfile"
    dockerfile.write_text(
        dockerfile.read_text().replace("RUN /tmp/user && /tmp/trim\n", "RUN echo before && no-such-program\n")
    )
    with pytest.raises(BuildError) as failed:
        build_images(containers, ["ingesta"], None, lambda _: None)
    text = str(failed.value)
    assert "no-such-program" in text
    assert "uv sync" not in text
    assert len(text.splitlines()) < 12


def test_an_image_that_is_gone_from_another_registry_than_ecr_is_built_again(
    containers: Config, registry: str, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_IMAGES__REGISTRY", registry)
    config = load("dev")
    for module in ("ingesta", "transformacion"):  # both, because other tests push the sources as they are to ECR
        project.change(f"packages/{module}/src/{module}/__init__.py", "# an image to lose")
    image = release(config).images["ingesta"]
    manifest(config, image.repository, image.digest).raise_for_status()
    httpx.delete(f"http://{registry}/v2/{image.repository}/manifests/{image.digest}").raise_for_status()
    assert plan(config).to_build == ("ingesta",)


def test_an_image_without_layers_is_built_again(containers: Config, released: Release) -> None:
    """The record is that of a folder, which the other engine made under the same tag."""
    image, ecr = released.images["ingesta"], checked_client(containers, "ecr")
    absent = {"digest": f"sha256:{'0' * 64}", "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 1}
    record = json.loads(Registry(containers).manifest(image.repository, image.digest)) | {"layers": [absent]}
    (source,) = (tag for tag in tags(containers, image.repository, image.digest) if tag.startswith("src-"))
    ecr.batch_delete_image(repositoryName=image.repository, imageIds=[{"imageDigest": image.digest}])
    Registry(containers).put(image.repository, source, json.dumps(record))
    assert plan(containers).to_build == ("ingesta",)
    ecr.batch_delete_image(repositoryName=image.repository, imageIds=[{"imageTag": source}])


def test_a_copy_between_registries_keeps_the_digest(
    containers: Config, released: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_AWS__REGION", "sa-east-1")  # an ECR of its own
    other = load("prod")
    image = released.images["ingesta"]
    checked_client(other, "ecr").create_repository(repositoryName=image.repository)
    copy_image(containers, other, image, lambda _: None)
    assert manifest(other, image.repository, image.tag).headers["Docker-Content-Digest"] == image.digest
    assert Registry(other).has_layers(Registry(other).require(image.repository, image.tag))


def test_airflows_image_runs_airflow_and_the_platforms_command(containers: Config) -> None:
    name = build_images(containers, ["airflow"], None, lambda _: None)["airflow"]
    flags = ("--rm", "--read-only", "--tmpfs", "/tmp", "--entrypoint")
    assert "rollback" in podman_out("run", *flags, "datavision", name, "--help")
    assert podman_out("run", *flags, "airflow", name, "version").strip().startswith("3.")


@pytest.mark.parametrize("image", ["ingesta", "airflow"])
def test_the_user_has_a_name_and_a_mounted_tmp_is_everybodys(containers: Config, image: str) -> None:
    name = build_images(containers, [image], None, lambda _: None)[image]
    script = "import getpass, os; open('/tmp/a', 'w'); print(getpass.getuser(), oct(os.stat('/tmp').st_mode)[-4:])"
    # Neither podman's own tmpfs nor the entry it adds to /etc/passwd: Fargate has neither.
    flags = ("--rm", "--read-only", "--read-only-tmpfs=false", "--passwd=false", "--entrypoint", "python")
    assert podman_out("run", *flags, name, "-c", script).split() == ["datavision", "1777"]
