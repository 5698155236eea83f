"""Images of the process runtime: the store, ECR's digests, ``/app``."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs

from fargate_local import FargateLocal, ImageStore, StoredImage

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
SHOW = '#!/bin/sh\necho "arguments $@"; echo "folder $PWD"; echo "colour $COLOUR"; echo "path $PATH"; echo "lib $LIB"\n'


def prepared(folder: Path, script: str = SHOW) -> Path:
    """A folder as an image builder leaves it."""
    binaries = folder / "app" / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "show").write_text(script)
    (binaries / "show").chmod(0o755)
    (folder / "app" / "module").mkdir()
    (folder / "app" / "module" / "main.py").write_text("print('hello')\n")
    return folder


Stored = tuple[ImageStore, StoredImage]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """(store, an image in it)."""
    folder = tmp_path_factory.mktemp("images")
    store = ImageStore(folder / "store")
    config = {
        "Entrypoint": ["show"],
        "Cmd": ["/app/module/main.py"],
        "Env": ["COLOUR=red", "LIB=/app/module:/usr/lib"],
        "WorkingDir": "/app/module",
    }
    return store, store.commit(prepared(folder / "work"), config)


@pytest.fixture(scope="module")
def ecs(stored: Stored) -> Iterator[Ecs]:
    """A cloud with that store."""
    with FargateLocal(store=stored[0].root) as cloud:
        yield Ecs(cloud)


def push(ecs: Ecs, image: StoredImage, repository: str, tag: str) -> str:
    ecr = ecs.client("ecr")
    ecr.create_repository(repositoryName=repository)
    answer = ecr.put_image(
        repositoryName=repository, imageManifest=image.manifest, imageTag=tag, imageDigest=image.digest
    )
    return str(answer["image"]["imageId"]["imageDigest"])


def test_the_digest_is_that_of_the_manifest_and_names_the_folder(stored: Stored) -> None:
    store, image = stored
    assert image.digest == f"sha256:{hashlib.sha256(image.manifest.encode()).hexdigest()}"
    assert image.path == store.path(image.digest)
    assert image.path.name == image.digest.replace(":", "-")
    assert json.loads((image.path / "image.json").read_text())["config"]["Entrypoint"] == ["show"]


def test_equal_folders_are_one_image(stored: Any, tmp_path: Path) -> None:
    store, image = stored
    again = store.commit(prepared(tmp_path / "other"), store.config(image.digest))
    assert again == image
    assert not (tmp_path / "other").exists()


def test_another_content_mode_or_configuration_is_another_image(stored: Any, tmp_path: Path) -> None:
    store, image = stored
    config = store.config(image.digest)
    content = prepared(tmp_path / "content", SHOW + "exit 1\n")
    mode = prepared(tmp_path / "mode")
    (mode / "app/.venv/bin/show").chmod(0o644)
    digests = {
        image.digest,
        store.commit(content, config).digest,
        store.commit(mode, config).digest,
        store.commit(prepared(tmp_path / "configuration"), {**config, "Cmd": []}).digest,
    }
    assert len(digests) == 4


def test_a_folder_without_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="put the code and its environment"):
        ImageStore(tmp_path / "store").commit(tmp_path, {})


def test_a_task_runs_the_image_that_ecr_names_and_reports_its_digest(ecs: Ecs, stored: Any) -> None:
    _, image = stored
    assert push(ecs, image, "named", "1.0.0") == image.digest
    for reference in (f"{REGISTRY}/named:1.0.0", f"{REGISTRY}/named@{image.digest}"):
        task = ecs.finish(ecs.define({"image": reference, "logged": True}))
        assert task["containers"][0]["exitCode"] == 0
        assert task["containers"][0]["imageDigest"] == image.digest
        lines = dict(line.partition(" ")[::2] for line in ecs.logs(task["taskArn"]))
        app = f"{image.path}/app"
        assert lines["arguments"] == f"{app}/module/main.py"
        assert lines["folder"] == f"{app}/module"
        assert lines["colour"] == "red"
        assert lines["lib"] == f"{app}/module:/usr/lib"
        assert lines["path"].startswith(f"{app}/.venv/bin:")


def test_the_definitions_command_and_environment_win_over_the_images(ecs: Ecs, stored: Any) -> None:
    _, image = stored
    push(ecs, image, "overridden", "1.0.0")
    family = ecs.define(
        {
            "image": f"{REGISTRY}/overridden:1.0.0",
            "command": ["--at=/app/module", "/application", "x/app/y"],
            "environment": [{"name": "COLOUR", "value": "green"}],
            "workingDirectory": "/tmp",
            "logged": True,
        }
    )
    lines = dict(line.partition(" ")[::2] for line in ecs.logs(ecs.finish(family)["taskArn"]))
    assert lines["arguments"] == f"--at={image.path}/app/module /application x/app/y"
    assert lines["folder"] == "/tmp"
    assert lines["colour"] == "green"


def test_an_image_that_ecr_does_not_have_cannot_be_pulled(ecs: Ecs) -> None:
    reference = f"{REGISTRY}/nowhere:1"
    task = ecs.finish(ecs.define({"image": reference}))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"] == (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
        f" {reference}: {reference}: not found"
    )
    assert task["containers"][0]["reason"] == task["stoppedReason"]
    assert "pullStoppedAt" not in task


def test_an_image_missing_from_the_store_says_so(ecs: Ecs, tmp_path: Path) -> None:
    image = ImageStore(tmp_path / "another-store").commit(prepared(tmp_path / "work", "#!/bin/sh\n"), {})
    push(ecs, image, "missing", "1.0.0")
    task = ecs.finish(ecs.define({"image": f"{REGISTRY}/missing:1.0.0"}))
    assert f"ECR has it as {image.digest}, but the image store" in task["stoppedReason"]


def test_another_registry_than_ecr_cannot_be_pulled_from(ecs: Ecs) -> None:
    task = ecs.finish(ecs.define({"image": "docker.io/library/busybox:latest"}))
    assert "use an ECR repository or the image 'host'" in task["stoppedReason"]


def test_a_tag_that_moves_moves_the_next_task(ecs: Ecs, stored: Any, tmp_path: Path) -> None:
    store, image = stored
    push(ecs, image, "moving", "latest")
    family = ecs.define({"image": f"{REGISTRY}/moving"})
    assert ecs.finish(family)["containers"][0]["imageDigest"] == image.digest
    newer = store.commit(prepared(tmp_path / "newer", SHOW + "exit 0\n"), store.config(image.digest))
    ecs.client("ecr").put_image(
        repositoryName="moving", imageManifest=newer.manifest, imageTag="latest", imageDigest=newer.digest
    )
    assert ecs.finish(family)["containers"][0]["imageDigest"] == newer.digest
