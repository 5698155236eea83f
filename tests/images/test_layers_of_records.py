"""On the embedded cloud a record of an image may be that of a folder: only one with layers can be pulled."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.strict_cloud import Account

from datavision.images.registry import RegisteredImage, Registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def record(strict: Account) -> Callable[[bytes], RegisteredImage]:
    """Makes a repository with a record of an image, whose configuration `{}` is there, and which has this layer."""
    ecr, name = strict.client("ecr"), f"module-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=name)
    upload = {"repositoryName": name, "uploadId": ecr.initiate_layer_upload(repositoryName=name)["uploadId"]}
    ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=1, layerPartBlob=b"{}")
    ecr.complete_layer_upload(**upload, layerDigests=[digest_of(b"{}")])

    def make(layer: bytes) -> RegisteredImage:
        parts = {"config": {"digest": digest_of(b"{}")}, "layers": [{"digest": digest_of(layer)}]}
        text = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **parts})
        digest = digest_of(text.encode())
        ecr.put_image(repositoryName=name, imageManifest=text, imageTag="1.0.0", imageDigest=digest)
        return RegisteredImage(name, digest, ("1.0.0",), datetime.now(UTC), 1)

    return make


def registry_of(ecr: Any) -> Registry:
    registry = Registry.__new__(Registry)
    registry._ecr, registry._whose = ecr, {}
    return registry


def test_an_image_has_layers_when_all_of_them_are_there(strict: Account, record: Any) -> None:
    assert registry_of(strict.client("ecr")).has_layers(record(b"{}"))
    assert not registry_of(strict.client("ecr")).has_layers(record(b"absent"))


def test_who_may_not_ask_for_layers_takes_the_records_word(strict: Account, record: Any) -> None:
    reader = strict.may({"Effect": "Allow", "Action": "ecr:DescribeImages", "Resource": "*"})
    assert registry_of(reader("ecr")).has_layers(record(b"absent"))
