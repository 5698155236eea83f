"""How images of an environment are made, and the labels and keys that follow from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datavision.images.source import ModuleSource

ENTRYPOINT = ("datavision-run",)
SOURCE_TAG_PREFIX = "src-"


@dataclass(frozen=True)
class Stamp:
    """What a build records in the image about itself."""

    version: str
    commit: str
    origin: str
    """Where the source is kept, a URL."""


@dataclass(frozen=True)
class Invocation:
    """How to run a command in an image on this machine."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    folder: Path
    """Working folder."""


def source_tag(source: ModuleSource, recipe: Mapping[str, str]) -> str:
    """Return the registry tag that encodes what an image was made from and how: same tag, no build.

    `recipe` is what else determines the outcome: engine, base image, interpreter, architecture.
    """
    text = source.hash + "".join(f"\0{key}={recipe[key]}" for key in sorted(recipe))
    return SOURCE_TAG_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:24]


def labels(source: ModuleSource, stamp: Stamp) -> dict[str, str]:
    """Return the labels of an image (OCI image specification 1.1, annotations)."""
    return {
        "org.opencontainers.image.version": stamp.version,
        "org.opencontainers.image.revision": stamp.commit,
        "org.opencontainers.image.source": stamp.origin,
        "org.opencontainers.image.title": f"datavision/{source.module}",
        "datavision.source-hash": source.hash,
    }
