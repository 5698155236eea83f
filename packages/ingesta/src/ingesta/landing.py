"""The landing: one folder of immutable Parquet files per load, complete once its manifest is there."""

import errno
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

from datavision_lakehouse.storage import is_s3
from ingesta.errors import LoadError, UsageError

MANIFEST: Final = "manifest.json"


class Landing(ABC):
    """Where load folders are."""

    def __init__(self, root: str, setting: str) -> None:
        self._root = root
        self._setting = setting

    def file(self, load_id: str, name: str) -> str:
        """The full path of a file of a load."""
        return f"{self._root}/{load_id}/{name}"

    @abstractmethod
    def check(self) -> None:
        """Change nothing, but raise UsageError or LoadError when loads could not be written here."""

    @abstractmethod
    def open(self, load_id: str) -> None:
        """Make room for a load. Raises UsageError when the place cannot be written."""

    @abstractmethod
    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        """Seal a load: its files are complete, and from now on nobody changes them."""

    @abstractmethod
    def discard_unfinished(self) -> int:
        """Remove loads that died before their manifest; returns how many. Only safe while no other load runs."""


def landing_at(location: str, setting: str = "DATAVISION_LANDING__PATH") -> Landing:
    """The landing at a folder or an s3:// prefix; errors name the setting that it came from."""
    if not is_s3(location):
        return _FolderLanding(location, setting)
    # Only here: boto3 takes a quarter of a second to import.
    from ingesta.landing_s3 import S3Landing

    return S3Landing(location, setting)


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as it is written."""
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


class _FolderLanding(Landing):
    def check(self) -> None:
        root = Path(self._root)
        nearest = next(folder for folder in (root, *root.parents) if folder.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            raise self._unwritable("permission denied" if nearest.is_dir() else f"{nearest} is a file")

    def open(self, load_id: str) -> None:
        try:
            (Path(self._root) / load_id).mkdir(parents=True)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise LoadError(f"No space left for {self._root}. Free some, then run again.") from None
            raise self._unwritable(str(error.strerror)) from None

    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        folder = Path(self._root) / load_id
        unfinished = folder / f"{MANIFEST}.part"
        unfinished.write_text(manifest_text(manifest), encoding="utf-8")
        for file in folder.iterdir():
            file.chmod(0o444)
        unfinished.rename(folder / MANIFEST)

    def discard_unfinished(self) -> int:
        root = Path(self._root)
        dead = [d for d in root.iterdir() if d.is_dir() and not (d / MANIFEST).exists()] if root.is_dir() else []
        for folder in dead:
            rmtree(folder, ignore_errors=True)
        return len(dead)

    def _unwritable(self, reason: str) -> UsageError:
        return UsageError(
            f"The folder {self._root} cannot be written ({reason}). "
            f"Set {self._setting} to one that this user can write."
        )
