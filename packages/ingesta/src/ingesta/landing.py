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


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as it is written."""
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
