"""Tasks start in Fargate's times when that is asked for."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import MakeCloud

from fargate_local import ImageStore
from fargate_local.engine.pace import PROVISIONING_SECONDS, PULL_SECONDS_PER_BYTE

SCALE = 0.05


@pytest.fixture
def slow(make_cloud: MakeCloud, tmp_path: Path) -> Any:
    return make_cloud(store=tmp_path / "store", options=("--start-times", str(SCALE)))


def test_the_measured_task_starts_in_its_measured_time() -> None:
    assert 53 <= PROVISIONING_SECONDS + 413e6 * PULL_SECONDS_PER_BYTE <= 62


def test_a_task_waits_for_its_address_and_then_for_its_image_by_size(slow: Any, tmp_path: Path) -> None:
    repository, megabytes = "sized", 200
    (tmp_path / "image" / "app").mkdir(parents=True)
    with (tmp_path / "image" / "app" / "data").open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    image = ImageStore(tmp_path / "store").commit(tmp_path / "image", {"Entrypoint": [sys.executable]})
    ecr = slow.client("ecr")
    ecr.create_repository(repositoryName=repository)
    ecr.put_image(repositoryName=repository, imageTag="1", imageManifest=image.manifest, imageDigest=image.digest)
    named = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}:1"
    task = slow.finish(slow.define({"image": named, "command": ["-c", "pass"]}))
    assert task["containers"][0]["exitCode"] == 0
    waited = task["connectivityAt"] - task["createdAt"]
    pulled = task["pullStoppedAt"] - task["pullStartedAt"]
    assert waited.total_seconds() >= SCALE * PROVISIONING_SECONDS
    assert pulled.total_seconds() >= SCALE * PULL_SECONDS_PER_BYTE * megabytes * 1e6


@pytest.mark.slow
def test_a_task_that_is_stopped_meanwhile_does_not_wait(make_cloud: MakeCloud) -> None:
    ecs = make_cloud(options=("--start-times", "100"))
    arn = ecs.shell("true")
    began = time.monotonic()
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    assert ecs.stopped(arn)["stopCode"] == "UserInitiated"
    assert time.monotonic() - began < 30
