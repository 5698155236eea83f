"""The same bytes in another environment; and what may leave the registry."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from datavision.airflow_api import BegunRun
from datavision.aws import visiting_client
from datavision.config import load
from datavision.images.registry import Registry
from datavision.pins import read_pin
from datavision.release.errors import DirtyTreeError, ReleaseError
from datavision.release.in_flight import images_of
from datavision.release.promote import promote
from datavision.release.registry.prune import prune
from datavision.release.release import release
from datavision.release.rollback import rollback

OTHER = "210987654321"
PIPELINES = ("pipeline_completo", "pipeline_fact_rfm", "pipeline_suscripciones")

pytestmark = pytest.mark.usefixtures("small_images")


def test_a_promotion_pins_the_same_digests_and_builds_nothing(project: Any) -> None:
    done = release(project.config)
    promoted = promote(project.config, load("prod"))
    assert set(promoted.pins) == set(PIPELINES)
    for name in PIPELINES:
        pin = read_pin(project.path / "dags", "prod", name)
        assert pin.version == done.version
        assert {m: i.digest for m, i in pin.images.items()} == {m: i.digest for m, i in done.images.items()}
        assert pin.images["ingesta"].task_definition.startswith("datavision-prod-ingesta:")
    assert project.git("log", "-1", "--format=%s") == f"Promote {done.version} from dev to prod"
    assert project.git("status", "--porcelain") == ""


def test_a_second_promotion_writes_nothing(project: Any) -> None:
    release(project.config)
    first = promote(project.config, load("prod"))
    second = promote(project.config, load("prod"))
    assert (second.pins, second.commit) == ({}, first.commit)


@pytest.mark.slow
def test_each_pipeline_is_promoted_as_it_is_pinned(project: Any) -> None:
    first = release(project.config)
    project.change_ingesta("promoted one by one")
    second = release(project.config)
    rollback(project.config, "pipeline_fact_rfm", first.version)
    promote(project.config, load("prod"))
    versions = {name: read_pin(project.path / "dags", "prod", name).version for name in PIPELINES}
    assert versions == dict.fromkeys(PIPELINES, second.version) | {"pipeline_fact_rfm": first.version}


def test_a_promotion_to_another_account_reads_the_first_one_with_the_credentials_of_the_second(
    project: Any, cloud: Any, in_order: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """moto keeps registries apart by region, and the owner of a repository by its registry id.

    Folders have no layers to copy, so skopeo is a program that writes down what it is asked.
    """
    in_order.touch()
    done = release(project.config)
    here, there = (boto3.client("ecr", **{**cloud.client_args, "region_name": r}) for r in ("us-east-1", "us-west-2"))
    for image in done.images.values():
        place = {"repositoryName": image.repository}
        (found,) = here.batch_get_image(**place, imageIds=[{"imageDigest": image.digest}])["images"]
        here.batch_delete_image(**place, imageIds=[{"imageDigest": image.digest}])
        there.create_repository(**place, registryId=OTHER)
        there.put_image(
            **place,
            registryId=OTHER,
            imageManifest=found["imageManifest"],
            imageManifestMediaType=json.loads(found["imageManifest"])["mediaType"],
            imageTag=image.tag,
            imageDigest=image.digest,
        )
    skopeo, asked = tmp_path / "bin" / "skopeo", tmp_path / "asked"
    skopeo.parent.mkdir()
    skopeo.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    skopeo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{skopeo.parent}:{os.environ['PATH']}")
    dev = project.config.model_copy(
        update={"aws": project.config.aws.model_copy(update={"account_id": OTHER, "region": "us-west-2"})}
    )
    read: list[str] = []
    events = visiting_client(dev, load("prod"), "ecr").meta.events
    events.register("provide-client-params.ecr.BatchGetImage", lambda params, **_: read.append(params["registryId"]))

    promoted = promote(dev, load("prod"))

    assert set(read) == {OTHER}
    assert {pin.version for pin in promoted.pins.values()} == {done.version}
    for image in done.images.values():
        assert Registry(load("prod")).find(image.repository, digest=image.digest) is not None
        host = cloud.url.removeprefix("http://")
        copied = f"docker://{host}/{image.repository}@{image.digest}"
        (line,) = (line for line in asked.read_text().splitlines() if copied in line)
        assert f"docker://{host}/{image.repository}:{image.tag}" in line
        assert re.search("--src-tls-verify=false --src-creds AWS:.* --dest-tls-verify=false --dest-creds AWS:", line)


@pytest.mark.slow
def test_nothing_pinned_and_dirty_trees_are_refused(project: Any) -> None:
    with pytest.raises(ReleaseError, match="datavision release --env dev"):
        promote(project.config, load("prod"))
    release(project.config)
    (project.path / "README.md").write_text("changed")
    with pytest.raises(DirtyTreeError):
        promote(project.config, load("prod"))


@pytest.mark.slow
def test_a_prune_names_what_may_go_and_deletes_it_only_when_told(
    project: Any, monkeypatch: pytest.MonkeyPatch, state: Any
) -> None:
    monkeypatch.setenv("DATAVISION_IMAGES__KEEP_RELEASES", "1")
    monkeypatch.setenv("DATAVISION_IMAGES__KEEP_DAYS", "1")
    config = load("dev")
    releases = []
    for note in ("to be pruned", "kept by the rollback window", "pinned"):
        project.change_ingesta(f"prune: {note}")
        releases.append(release(config))
    oldest, _, newest = (done.images["ingesta"].digest for done in releases)
    registry = Registry(config)
    in_a_week = datetime.now(UTC) + timedelta(days=7)

    named = prune(config, now=in_a_week)
    assert oldest in {image.digest for image in named.removable}
    assert newest in named.kept
    assert registry.find("datavision/ingesta", digest=oldest) is not None

    prune(config, delete=True, now=in_a_week)
    assert registry.find("datavision/ingesta", digest=oldest) is None
    assert registry.find("datavision/ingesta", digest=newest) is not None
    assert not (state / "images" / oldest.replace(":", "-")).exists()


@pytest.mark.slow
def test_a_run_in_flight_needs_the_pins_of_the_commit_it_began_at_and_the_release_it_asked_for(project: Any) -> None:
    first = release(project.config)
    project.change_ingesta("after the run began")
    second = release(project.config)
    runs = [
        BegunRun("pipeline_suscripciones", "a", first.commit, {}),
        BegunRun("pipeline_fact_rfm", "b", None, {"release": f"v{second.version}"}),
        BegunRun("mantenimiento_contenedores", "c", first.commit, {}),
    ]
    digests = {image.digest for done in (first, second) for image in done.images.values()}
    assert set(images_of(project.config, project.repo, runs)) == digests
    assert set(images_of(project.config, project.repo, runs[:1])) == {i.digest for i in first.images.values()}


def test_the_registry_has_no_policy_that_would_undo_the_prune(project: Any, cloud: Any) -> None:
    ecr = boto3.client("ecr", **cloud.client_args)
    for module in project.config.modules:
        with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
            ecr.get_lifecycle_policy(repositoryName=project.config.repository(module))
