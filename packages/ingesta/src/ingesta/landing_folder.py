"""The landing in a folder."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

from ingesta.errors import LoadError, UsageError
from ingesta.landing import MANIFEST, Landing, manifest_text


class FolderLanding(Landing):
    """Load folders in a folder of this machine, sealed by removing write permission."""

    def check(self) -> None:
        """Check for write permission in the nearest existing folder."""
        root = Path(self._root)
        nearest = next(folder for folder in (root, *root.parents) if folder.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            raise self._unwritable("permission denied" if nearest.is_dir() else f"{nearest} is a file")

    def open(self, load_id: str) -> None:
        """Make the load's folder.

        Raises:
            LoadError: There is no space left.
            UsageError: The folder cannot be written.
        """
        try:
            (Path(self._root) / load_id).mkdir(parents=True)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise LoadError(f"No space left for {self._root}. Free some, then run again.") from None
            raise self._unwritable(str(error.strerror)) from None

    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        """Write the manifest atomically."""
        folder = Path(self._root) / load_id
        unfinished = folder / f"{MANIFEST}.part"
        unfinished.write_text(manifest_text(manifest), encoding="utf-8")
        for file in folder.iterdir():
            file.chmod(0o444)
        unfinished.rename(folder / MANIFEST)

    def discard_unfinished(self) -> int:
        """Remove loads that died before their manifest and return how many."""
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
