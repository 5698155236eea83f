"""Layers on disk: files named by their digest, which a repository has by a link to its name, and uploads under way."""

import hashlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fargate_local.registry.errors import LayerInvalidError, LayerPartInvalidError, UploadNotFoundError

DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
"""The only algorithm that ECR takes (API reference, LayerDigest)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of a region."""

    region: str
    repository: str


@dataclass(slots=True)
class Upload:
    """A layer that is coming in."""

    place: Place
    path: Path
    size: int = 0
    hash: Any = field(default_factory=hashlib.sha256)
    lock: threading.Lock = field(default_factory=threading.Lock)


class LayerStore:
    """Layers in a folder; safe to use from several threads. Files are readable only by their owner."""

    def __init__(self, folder: Path) -> None:
        """Keep layers in `folder`, which is made with the first; uploads that an earlier server began are dropped."""
        self._layers = folder / "sha256"
        self._links = folder / "repositories"
        self._incoming = folder / "uploads"
        self._uploads: dict[str, Upload] = {}
        shutil.rmtree(self._incoming, ignore_errors=True)

    def find(self, place: Place, digest: str) -> Path | None:
        """Return the file of a repository's layer, None when it has no such layer."""
        found = DIGEST.fullmatch(digest)
        if found is None or not self._link(place, found[1]).exists():
            return None
        path = self._layers / found[1]
        return path if path.is_file() else None

    def link(self, place: Place, other: Place, digest: str) -> bool:
        """Give a repository the layer of another one; whether that one has it."""
        path = self.find(other, digest)
        if path is None:
            return False
        self._mark(place, path.name)
        return True

    def begin(self, place: Place) -> str:
        """Begin an upload; return its identifier."""
        private(self._incoming)
        identifier = secrets.token_hex(16)
        path = self._incoming / identifier
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._uploads[identifier] = Upload(place, path)
        return identifier

    def size(self, place: Place, identifier: str) -> int:
        """Return how many bytes of an upload have come.

        Raises:
            UploadNotFoundError: There is no such upload.
        """
        return self._upload(place, identifier).size

    def append(self, place: Place, identifier: str, chunks: Iterable[bytes], first: int | None = None) -> int:
        """Write what comes to the end of an upload; return how many bytes it has then.

        Raises:
            UploadNotFoundError: There is no such upload.
            LayerPartInvalidError: The part begins at byte `first`, and the upload ends elsewhere.
        """
        upload = self._upload(place, identifier)
        with upload.lock:
            self._upload(place, identifier)
            if first not in (None, upload.size):
                raise LayerPartInvalidError(upload.size - 1)
            with upload.path.open("ab") as file:
                for chunk in chunks:
                    file.write(chunk)
                    upload.hash.update(chunk)
                    upload.size += len(chunk)
            return upload.size

    def finish(self, place: Place, identifier: str, digest: str) -> int:
        """Keep an upload as the layer of this digest; return how many bytes it has.

        Raises:
            UploadNotFoundError: There is no such upload.
            LayerInvalidError: Its bytes have another digest; it is dropped.
        """
        upload = self._upload(place, identifier)
        with upload.lock:
            self._uploads.pop(identifier, None)
            came = f"sha256:{upload.hash.hexdigest()}"
            if came != digest:
                upload.path.unlink(missing_ok=True)
                message = f"The layer digest '{digest}' is not that of the bytes that came, which is '{came}'"
                raise LayerInvalidError(message)
            private(self._layers)
            upload.path.replace(self._layers / upload.hash.hexdigest())
            self._mark(place, upload.hash.hexdigest())
            return upload.size

    def _upload(self, place: Place, identifier: str) -> Upload:
        upload = self._uploads.get(identifier)
        if upload is None or upload.place != place:
            raise UploadNotFoundError(identifier, place.repository)
        return upload

    def _mark(self, place: Place, name: str) -> None:
        link = self._link(place, name)
        private(link.parent)
        link.touch(0o600)

    def _link(self, place: Place, name: str) -> Path:
        return self._links / quote(place.region, safe="") / quote(place.repository, safe="") / name


def private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only."""
    if not folder.is_dir():
        private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
