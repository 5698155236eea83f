"""The journal: every request that changed what moto holds, in order, so that a restart can make the same again.

moto keeps everything in memory. Its identifiers come from a generator that can be seeded, so a request repeated with
the same seed at the same time of day leaves the same state behind. A record is one line of JSON; a body too large for
a line is a file of its own beside it. Records are appended after the request succeeded and before its client hears of
it: a crash in between loses a change nobody was told of, and a line torn by the crash is dropped at the next start.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fargate_local.cloud.requests import CloudRequest
from fargate_local.state import StateError

LINE_BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One state-changing request. `time` is in seconds since the epoch; `yields` is the identifier in the answer."""

    number: int
    time: float
    seed: int
    request: CloudRequest
    yields: str | None = None
    body_file: str | None = None


class Journal:
    """An append-only list of records under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bodies = folder / "bodies"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.bodies.mkdir(exist_ok=True, mode=0o700)
        self.path = folder / "journal.jsonl"
        self._next_number = 1
        self._file = -1

    def read(self) -> list[Record]:
        """Return every complete record; bodies kept in files of their own stay there until `with_body`.

        A line without its end was torn by a crash and is dropped.

        Raises:
            StateError: Another line is not a record.
        """
        records: list[Record] = []
        if self.path.exists():
            whole = 0
            with self.path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if not line.endswith(b"\n"):
                        break
                    try:
                        records.append(decode(line))
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        message = (
                            f"line {number} of {self.path} is no record of a change ({error or type(error).__name__}):"
                            " put back a copy of the folder, take the line out to go on without that change, or give"
                            " another --state-dir"
                        )
                        raise StateError(message) from error
                    whole += len(line)
            os.truncate(self.path, whole)
        self._next_number = records[-1].number + 1 if records else 1
        self._remove_stray_bodies(records)
        return records

    def open(self) -> None:
        """Open the journal for appending."""
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def close(self) -> None:
        """Stop appending."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, time: float, seed: int, request: CloudRequest, yields: str | None) -> None:
        """Add a record; once this returns, it survives a crash of this process."""
        number = self._next_number
        self._next_number += 1
        body_file = None
        if len(request.body) > LINE_BODY_LIMIT:
            body_file = f"{number}.body"
            descriptor = os.open(self.bodies / body_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(request.body)
        write_all(self._file, encode(Record(number, time, seed, request, yields, body_file)))

    def with_body(self, record: Record) -> CloudRequest:
        """Return the record's request, with its body.

        Raises:
            StateError: The file of the body cannot be read.
        """
        if record.body_file is None:
            return record.request
        request = record.request
        path = self.bodies / record.body_file
        try:
            body = path.read_bytes()
        except OSError as error:
            message = (
                f"cannot read {path} ({error.strerror}), which change {record.number} of {self.path} needs: put it"
                " back, take the line out to go on without that change, or give another --state-dir"
            )
            raise StateError(message) from error
        return CloudRequest(request.method, request.target, request.headers, body)

    def replace(self, records: Iterable[Record]) -> None:
        """Replace all records by these, atomically."""
        kept = list(records)
        fresh = self.path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(encode(record) for record in kept)
        fresh.replace(self.path)
        self._remove_stray_bodies(kept)

    def _remove_stray_bodies(self, records: list[Record]) -> None:
        wanted = {record.body_file for record in records}
        for path in self._body_files():
            if path.name not in wanted:
                path.unlink()

    def _body_files(self) -> Iterator[Path]:
        return (path for path in self.bodies.iterdir() if path.suffix == ".body")


def encode(record: Record) -> bytes:
    """Return a record as a line of JSON."""
    request = record.request
    fields: dict[str, Any] = {
        "n": record.number,
        "t": record.time,
        "seed": record.seed,
        "method": request.method,
        "target": request.target,
        "headers": request.storable_headers(),
    }
    if record.yields is not None:
        fields["yields"] = record.yields
    if record.body_file is not None:
        fields["body_file"] = record.body_file
    elif request.body:
        try:
            fields["text"] = request.body.decode("utf-8")
        except UnicodeDecodeError:
            fields["base64"] = base64.b64encode(request.body).decode("ascii")
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def decode(line: bytes) -> Record:
    """Parse a line of JSON into a record."""
    fields = json.loads(line)
    body = base64.b64decode(fields["base64"]) if "base64" in fields else fields.get("text", "").encode()
    request = CloudRequest(fields["method"], fields["target"], fields["headers"], body)
    return Record(fields["n"], fields["t"], fields["seed"], request, fields.get("yields"), fields.get("body_file"))


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
