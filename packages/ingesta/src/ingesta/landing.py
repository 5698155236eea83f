"""The landing: one folder of immutable Parquet files per load, complete once its manifest is there."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

MANIFEST: Final = "manifest.json"


class Landing(ABC):
    """Where load folders are."""

    def __init__(self, root: str, setting: str) -> None:
        self._root = root
        self._setting = setting

    def file(self, load_id: str, name: str) -> str:
        """Return the full path of a file of a load."""
        return f"{self._root}/{load_id}/{name}"

    @abstractmethod
    def check(self) -> None:
        """Check that loads can be written here; changes nothing.

        Raises:
            UsageError: They cannot.
            LoadError: The place does not answer.
        """

    @abstractmethod
    def open(self, load_id: str) -> None:
        """Create the place for a load.

        Raises:
            UsageError: It cannot be written.
            LoadError: There is no space left, or the place does not answer.
        """

    @abstractmethod
    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        """Seal a load: its files are complete and never change again."""

    @abstractmethod
    def discard_unfinished(self) -> int:
        """Remove loads that died before their manifest and return how many; only safe while no other load runs."""


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as it is written to the file."""
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
