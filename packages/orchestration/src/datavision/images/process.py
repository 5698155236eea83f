"""Builds images for the `process` runtime of fargate-local: a folder with code and a relocatable environment."""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datavision.images.errors import ImageError
from datavision.images.recipe import ENTRYPOINT, Invocation, Stamp, labels, source_tag
from datavision.images.registry import RegisteredImage, Registry, manifest_digest
from datavision.images.source import ModuleSource
from datavision.images.uv import (
    compile_bytecode,
    create_environment,
    install_dependencies,
    install_members,
    write_bill,
)
from datavision.process_environment import ProcessEnvironment


class ProcessBuilder:
    """Builds into fargate-local's image store; a push puts only the manifest into the embedded registry."""

    engine = "process"

    def __init__(self, project: Path, state: Path, registry: Registry) -> None:
        """Keep images in `state/images`, base environments in `state/environments`."""
        self._project = project
        self._state = state
        self._registry = registry
        self._store = _open_store(state / "images")

    def recipe(self) -> dict[str, str]:
        """Return what determines a build's outcome besides the source."""
        return {"engine": self.engine, "python": platform.python_version(), "machine": platform.machine()}

    def build(self, source: ModuleSource, stamp: Stamp) -> str:
        """Build `source` into the store and return the manifest.

        Raises:
            BuildError: uv failed.
        """
        made = self._state / "builds" / _build_key(source, stamp, self.recipe())
        if made.exists() and self._store.has(manifest_digest(made.read_text())):
            return made.read_text()
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=self._state) as scratch:
            folder = Path(scratch) / "image"
            environment = folder / "app" / ".venv"
            environment.parent.mkdir(parents=True)
            _link_tree(self._dependencies(source), environment)
            install_members(self._project, environment, source.package, list(source.members))
            compile_bytecode(folder)
            write_bill(self._project, source.package, folder / "app" / "sbom.cdx.json")
            for path in source.shipped_files():
                target = folder / "app" / source.module / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source.folder / path, target)
            manifest = str(self._store.commit(folder, _config(source, stamp)).manifest)
        made.write_text(manifest)
        return manifest

    def push(self, manifest: str, repository: str, tag: str) -> RegisteredImage:
        """Put the image's manifest into the registry and return the image as the registry has it."""
        present = self._registry.find(repository, tag=tag)
        if present is not None and present.digest != manifest_digest(manifest) and not self.available(present):
            # Its folder was removed by hand: the record alone is useless and would block the tag.
            self._registry.delete(repository, [present.digest])
        return self._registry.put(repository, tag, manifest)

    def describe(self, built: str) -> str:
        """Return the digest."""
        return manifest_digest(built)

    def invocation(self, built: str, command: Sequence[str]) -> Invocation:
        """Return the command line with `/app` mapped to the image's folder, as fargate-local maps it."""
        app = self.folder(manifest_digest(built)) / "app"
        mapped = [str(app) + part.removeprefix("/app") if part.startswith("/app/") else part for part in command]
        path = f"{app / '.venv' / 'bin'}:{ProcessEnvironment.current().path}"
        variables = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return Invocation((str(app / ".venv" / "bin" / ENTRYPOINT[0]), *mapped), variables, app)

    def available(self, image: RegisteredImage) -> bool:
        """Return whether the image's content exists, not only its record in the registry."""
        return bool(self._store.has(image.digest))

    def folder(self, digest: str) -> Path:
        """Return the image's folder."""
        return Path(self._store.path(digest))

    def discard(self, digest: str) -> int:
        """Remove the image's folder; return the bytes freed."""
        return _remove(self.folder(digest))

    def tidy(self, keep: int) -> int:
        """Remove records of builds whose image is gone, and all environments except the `keep` last used ones."""
        for made in (self._state / "builds").glob("*"):
            if not self._store.has(manifest_digest(made.read_text(errors="replace"))):
                made.unlink(missing_ok=True)
        ready = [path for path in (self._state / "environments").glob("*") if not path.name.startswith(".")]
        last_used = sorted(ready, key=lambda path: path.stat().st_mtime, reverse=True)
        return sum(_remove(path) for path in last_used[keep:])

    def _dependencies(self, source: ModuleSource) -> Path:
        """Return the environment with this module's part of the lock, created once per part and interpreter.

        Raises:
            OSError: The environment cannot be moved into place.
        """
        third_party = "\n".join(line for line in source.requirements.splitlines() if not line.startswith("./"))
        key = hashlib.sha256(f"{sys.version}\0{third_party}".encode()).hexdigest()[:24]
        cache = self._state / "environments"
        ready = cache / key
        if not ready.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=cache) as scratch:
                environment = Path(scratch) / "app" / ".venv"
                create_environment(self._project, environment, sys.executable)
                install_dependencies(self._project, environment, source.package)
                compile_bytecode(Path(scratch))
                try:
                    environment.rename(ready)
                except OSError:  # another build was faster; its environment is the same
                    if not ready.exists():
                        raise
        os.utime(ready)
        return ready


def _build_key(source: ModuleSource, stamp: Stamp, recipe: dict[str, str]) -> str:
    return f"{source.module}-{source_tag(source, recipe)}-{stamp.version}-{stamp.commit[:40]}"


def _open_store(path: Path) -> Any:
    try:
        from fargate_local.images import ImageStore
    except ImportError:
        raise ImageError(
            "The process engine needs fargate-local. Install datavision-orchestration[local], or use --engine podman."
        ) from None
    return ImageStore(path)


def _config(source: ModuleSource, stamp: Stamp) -> dict[str, Any]:
    return {
        "Entrypoint": list(ENTRYPOINT),
        "Cmd": [],
        "Env": [
            "PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE=1",
            "PYTHONUNBUFFERED=1",
        ],
        "WorkingDir": "/app",
        "User": "10001:10001",
        "Labels": labels(source, stamp),
    }


def _remove(folder: Path) -> int:
    """Remove a folder and return the bytes the disk got back: files with other hard links still exist."""
    files = (os.lstat(Path(path) / name) for path, _, names in os.walk(folder) for name in names)
    freed = sum(found.st_blocks * 512 for found in files if found.st_nlink == 1)
    shutil.rmtree(folder, ignore_errors=True)
    return freed


def _link_tree(origin: Path, target: Path) -> None:
    """Copy a folder with hard links: images never change their files, and half a gigabyte need not be written twice."""
    shutil.copytree(origin, target, symlinks=True, copy_function=os.link)
