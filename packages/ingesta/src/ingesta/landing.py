"""The landing: one folder of immutable Parquet files per load, complete once its manifest is there."""

import errno
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from datavision_lakehouse.storage import is_s3
from ingesta.errors import IngestaError, LoadError, UsageError

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
    return _S3Landing(location, setting) if is_s3(location) else _FolderLanding(location, setting)


def _text(manifest: Mapping[str, Any]) -> str:
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
        unfinished.write_text(_text(manifest), encoding="utf-8")
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


class _S3Landing(Landing):
    def __init__(self, root: str, setting: str) -> None:
        super().__init__(root, setting)
        parts = urlsplit(root)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._s3 = boto3.client("s3")

    def check(self) -> None:
        try:
            self._s3.head_bucket(Bucket=self._bucket)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def open(self, load_id: str) -> None:
        self.check()

    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key(load_id, MANIFEST),
                Body=_text(manifest),
                ContentType="application/json",
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def discard_unfinished(self) -> int:
        try:
            return self._discard_unfinished()
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def _discard_unfinished(self) -> int:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key(""))
        loads: dict[str, list[str]] = {}
        for page in pages:
            for item in page.get("Contents", []):
                load_id, _, name = item["Key"].removeprefix(self._key("")).partition("/")
                if name:
                    loads.setdefault(load_id, []).append(item["Key"])
        dead = [keys for load_id, keys in loads.items() if self._key(load_id, MANIFEST) not in keys]
        for keys in dead:
            for start in range(0, len(keys), 1000):
                objects = [{"Key": key} for key in keys[start : start + 1000]]
                self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        return len(dead)

    def _key(self, *parts: str) -> str:
        return "/".join([self._prefix, *parts] if self._prefix else parts)

    def _explained(self, error: ClientError | BotoCoreError) -> IngestaError:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        where = f"The bucket {self._bucket!r}"
        if code in ("404", "NoSuchBucket"):
            return UsageError(f"{where} does not exist. Deploy the storage stack, or correct {self._setting}.")
        if code in ("403", "AccessDenied"):
            return UsageError(f"{where} refuses this task's role. Give the role access, or correct {self._setting}.")
        return LoadError(f"{where} does not answer: {error}. Check the network and the endpoint, then run again.")
