"""One release, promotion or rollback at a time per environment: a lease in the results bucket.

The lease is an object created with an S3 conditional write and renewed while its holder lives. If it expired, or its
process is gone from this machine, it is taken over by a write that succeeds only for the first to do so.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from botocore.exceptions import ClientError

from datavision.aws import checked_client
from datavision.config import Config
from datavision.release.errors import LockedError

LEASE = timedelta(minutes=5)
_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@contextmanager
def locked(config: Config, what: str) -> Iterator[None]:
    """Hold the environment's lease for the block.

    Raises:
        LockedError: Somebody else holds it; the text says who, since when, and when to try again.
    """
    lease = _Lease(config, what)
    lease.acquire()
    ended = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(ended,), name="release-lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        lease.release()


class _Lease:
    def __init__(self, config: Config, what: str) -> None:
        self._config = config
        self._what = what
        self._started = datetime.now(UTC)
        self._s3 = checked_client(config, "s3")
        self._place = {"Bucket": config.storage.results_bucket, "Key": f"releases/{config.env}/lock.json"}
        self._etag = ""

    def acquire(self) -> None:
        try:
            return self._write({"IfNoneMatch": "*"})
        except ClientError as error:
            if _code(error) not in _REFUSED:
                raise
        try:
            found = self._s3.get_object(**self._place)
        except self._s3.exceptions.NoSuchKey:
            return self._take_or_refuse({"IfNoneMatch": "*"}, {})
        holder = json.loads(found["Body"].read())
        if not _abandoned(holder):
            raise self._refusal(holder)
        return self._take_or_refuse({"IfMatch": found["ETag"]}, holder)

    def keep(self, ended: threading.Event) -> None:
        while not ended.wait(LEASE.total_seconds() / 3):
            with suppress(ClientError):
                self._write({"IfMatch": self._etag})

    def release(self) -> None:
        with suppress(
            ClientError
        ):  # it expired and is someone else's now, or S3 cannot be reached: it expires by itself
            self._s3.delete_object(**self._place, IfMatch=self._etag)

    def _take_or_refuse(self, condition: dict[str, str], holder: dict[str, Any]) -> None:
        try:
            self._write(condition)
        except ClientError as error:
            if _code(error) not in _REFUSED | {"NoSuchKey", "404"}:
                raise
            raise self._refusal(holder) from None

    def _write(self, condition: dict[str, str]) -> None:
        now = datetime.now(UTC)
        body = {
            "what": self._what,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started.isoformat(timespec="seconds"),
            "expires_at": (now + LEASE).isoformat(timespec="seconds"),
        }
        self._etag = self._s3.put_object(**self._place, Body=json.dumps(body).encode(), **condition)["ETag"]

    def _refusal(self, holder: dict[str, Any]) -> LockedError:
        who = f"process {holder.get('pid')} on {holder.get('host')}"
        return LockedError(
            f"{holder.get('what', 'Another release')} is changing {self._config.env} ({who}, since "
            f"{holder.get('started_at')}). Nothing was done; try again when it has ended. "
            f"If it was killed, its claim expires at {holder.get('expires_at')}."
        )


def _abandoned(holder: dict[str, Any]) -> bool:
    if datetime.fromisoformat(holder["expires_at"]) < datetime.now(UTC):
        return True
    return holder["host"] == socket.gethostname() and not psutil.pid_exists(holder["pid"])


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
