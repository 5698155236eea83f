"""Images of the `process` runtime: immutable folders, named by the digest of a manifest that ECR stores."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG_FILE = "image.json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store. `manifest` is the JSON text whose SHA-256 is `digest`."""

    digest: str
    manifest: str
    path: Path


class ImageStore:
    """Image folders `<store>/<digest, with ':' replaced by '-'>/`, each with `app/` and `image.json`."""

    def __init__(self, path: Path | str) -> None:
        self.root = Path(path)

    def path(self, digest: str) -> Path:
        """Return where the image of this digest is, whether or not it exists.

        Raises:
            ValueError: This is not a digest.
        """
        if not DIGEST.fullmatch(digest):
            message = f"{digest!r} is no digest of an image: sha256: and 64 hexadecimal digits"
            raise ValueError(message)
        return self.root / digest.replace(":", "-")

    def has(self, digest: str) -> bool:
        """Return whether the image is here and complete."""
        return bool(DIGEST.fullmatch(digest)) and (self.path(digest) / CONFIG_FILE).is_file()

    def config(self, digest: str) -> dict[str, Any]:
        """Return the `config` object of the image: Entrypoint, Cmd, Env, WorkingDir, Labels."""
        stored = json.loads((self.path(digest) / CONFIG_FILE).read_text())
        config: dict[str, Any] = stored.get("config") or {}
        return config

    def commit(self, folder: Path | str, config: dict[str, Any]) -> StoredImage:
        """Move a prepared folder into the store and return the image it became.

        The digest depends on the files' paths, contents and executable bits, and on `config`; an identical image that
        is already there is kept, and `folder` is removed. Give `manifest` and `digest` to `ecr.put_image` as
        `imageManifest` and `imageDigest`.

        Raises:
            FileNotFoundError: `folder` has no `app/`.
        """
        source = Path(folder)
        if not (source / "app").is_dir():
            message = f"{source} has no folder app/: put the code and its environment (app/.venv) there, then commit it"
            raise FileNotFoundError(message)
        (source / CONFIG_FILE).unlink(missing_ok=True)
        layer, size = tree_digest(source)
        image_config = canonical(
            {"architecture": machine(), "os": "linux", "config": config, "rootfs": {"layer": layer}}
        )
        manifest = canonical(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": {
                    "mediaType": CONFIG_TYPE,
                    "digest": sha256(image_config.encode()),
                    "size": len(image_config),
                },
                "layers": [{"mediaType": LAYER_TYPE, "digest": layer, "size": size}],
            }
        )
        digest = sha256(manifest.encode())
        target = self.path(digest)
        if self.has(digest):
            shutil.rmtree(source)
        else:
            (source / CONFIG_FILE).write_text(image_config)
            self.root.mkdir(parents=True, exist_ok=True)
            move_into_place(source, target)
        return StoredImage(digest, manifest, target)


def move_into_place(source: Path, target: Path) -> None:
    """Rename, or across file systems first copy to beside the target, so that a half-copied image is never seen."""
    try:
        source.rename(target)
    except OSError:
        if target.exists():
            shutil.rmtree(source)
            return
        staging = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copytree(source, staging, symlinks=True)
        staging.rename(target)
        shutil.rmtree(source)


def tree_digest(folder: Path) -> tuple[str, int]:
    """Return the (digest, bytes) of a folder: relative paths in order, with type, executable bit and content."""
    total = hashlib.sha256()
    size = 0
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            entry = f"link {name} {path.readlink()}"
        else:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            size += path.stat().st_size
            entry = f"file {name} {mode} {content}"
        total.update(entry.encode() + b"\n")
    return f"sha256:{total.hexdigest()}", size


def walk(folder: Path) -> Iterator[Path]:
    """Yield files and links below a folder, in the same order on every machine."""
    for child in sorted(folder.iterdir(), key=lambda path: path.name):
        if child.is_dir() and not child.is_symlink():
            yield from walk(child)
        else:
            yield child


def canonical(value: dict[str, Any]) -> str:
    """Return JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def sha256(data: bytes) -> str:
    """Return the digest as `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def machine() -> str:
    """Return this machine's architecture by OCI's name."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
