"""The landing on S3."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ingesta.errors import IngestaError, LoadError, UsageError
from ingesta.landing import MANIFEST, Landing, manifest_text


class S3Landing(Landing):
    """Load folders under an s3:// prefix; the standard AWS variables say where S3 is and which credentials to use."""

    def __init__(self, root: str, setting: str, region: str | None) -> None:
        super().__init__(root, setting)
        parts = urlsplit(root)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._s3 = boto3.client("s3", region_name=region)

    def check(self) -> None:
        """Check that the bucket can be reached (HeadBucket)."""
        try:
            self._s3.head_bucket(Bucket=self._bucket)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def open(self, load_id: str) -> None:
        """Check that the bucket can be reached; a prefix need not be created."""
        self.check()

    def close(self, load_id: str, manifest: Mapping[str, Any]) -> None:
        """Upload the manifest; S3 leaves the files as they are."""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key(load_id, MANIFEST),
                Body=manifest_text(manifest),
                ContentType="application/json",
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def discard_unfinished(self) -> int:
        """Remove loads that died before their manifest and return how many."""
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
