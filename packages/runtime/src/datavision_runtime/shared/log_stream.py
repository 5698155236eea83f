"""The log stream of one step, written as the awslogs driver would: in order, while the step runs."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from datavision_runtime.deliver import client

PAUSE_SECONDS = 0.3
BATCH_EVENTS = 1000
BATCH_BYTES = 900_000
"""PutLogEvents takes 10,000 events and 1,048,576 bytes, 26 more for each event (CloudWatch Logs API reference,
November 2026)."""
LINE_CHARACTERS = 60_000


class LogStream:
    """Collects lines and writes them from a thread; what CloudWatch does not take goes to `fall_back`."""

    def __init__(self, group: str, name: str, fall_back: Callable[[str], None]) -> None:
        self._where: dict[str, str] = {"logGroupName": group, "logStreamName": name}
        self._fall_back = fall_back
        self._lines: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._exists = False
        self._thread = threading.Thread(target=self._loop, name=f"log {name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Add a line; an empty one is a space, since CloudWatch takes no empty event."""
        now = int(time.time() * 1000)
        with self._lock:
            for start in range(0, max(len(line), 1), LINE_CHARACTERS):
                self._lines.append((now, line[start : start + LINE_CHARACTERS] or " "))

    def close(self) -> None:
        """Write what is left, and end."""
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while batch := self._batch():
            try:
                self._put([{"timestamp": at, "message": text} for at, text in batch])
            except (BotoCoreError, ClientError, OSError, ValueError) as error:
                self._fall_back(f"CloudWatch did not take {len(batch)} lines: {error}")
                for _, text in batch:
                    self._fall_back(text)

    def _batch(self) -> list[tuple[int, str]]:
        with self._lock:
            size = count = 0
            for _, text in self._lines[:BATCH_EVENTS]:
                size += len(text.encode()) + 26
                if count and size > BATCH_BYTES:
                    break
                count += 1
            taken, self._lines = self._lines[:count], self._lines[count:]
        return taken

    def _put(self, events: list[dict[str, Any]]) -> None:
        logs = client("logs")
        if not self._exists:
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(**self._where)
            self._exists = True
        logs.put_log_events(**self._where, logEvents=events)
