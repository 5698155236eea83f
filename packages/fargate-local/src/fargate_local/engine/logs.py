"""The `awslogs` driver: carries containers' lines to CloudWatch Logs, in order, losing none.

One thread reads all containers' pipes, another one delivers. A container that writes faster than its lines can be
delivered blocks, as with Docker's blocking mode, instead of filling this process's memory.
"""

import contextlib
import fcntl
import json
import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.plan import LogTarget

log = logging.getLogger(__name__)

# Limits of PutLogEvents (API reference, read November 2026).
BATCH_EVENTS = 10_000
BATCH_BYTES = 1_048_576
EVENT_OVERHEAD = 26
EVENT_BYTES = 256 * 1024 - EVENT_OVERHEAD
READ_BYTES = 1 << 18
BUFFERED_EVENTS = 4 * BATCH_EVENTS
BUFFERED_BYTES = 4 * BATCH_BYTES
FLUSH_SECONDS = 0.1


@dataclass(eq=False)
class Pipe:
    """One of a container's outputs, and the line that is not complete yet."""

    descriptor: int
    partial: bytearray = field(default_factory=bytearray)
    ended: bool = False


class Stream:
    """One container's output on its way to CloudWatch Logs.

    Each of its pipes is split into lines for itself, so that a line of one never breaks a line of another.
    """

    def __init__(self, target: LogTarget, descriptors: Iterable[int], on_end: Callable[[], None]) -> None:
        self.target = target
        self.pipes = [Pipe(descriptor) for descriptor in descriptors]
        self.on_end = on_end
        self.events: deque[tuple[int, str, int]] = deque()
        self.bytes = 0
        self.paused = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return all(pipe.ended for pipe in self.pipes)

    @property
    def full(self) -> bool:
        """Whether the container must wait."""
        return self.bytes > BUFFERED_BYTES or len(self.events) > BUFFERED_EVENTS

    def take_lines(self, pipe: Pipe, data: bytes, now: int) -> None:
        """Queue the complete lines of what was read from a pipe, and keep the rest."""
        pipe.partial += data
        *lines, rest = pipe.partial.split(b"\n")
        pipe.partial = bytearray(rest)
        for line in lines:
            self.add(line, now)
        while len(pipe.partial) > EVENT_BYTES:
            cut = character_boundary(pipe.partial, EVENT_BYTES)
            self.add(pipe.partial[:cut], now)
            del pipe.partial[:cut]

    def add(self, line: bytes | bytearray, now: int) -> None:
        """Queue a line; CloudWatch has no empty events."""
        line = line.removesuffix(b"\r")
        while len(line) > EVENT_BYTES:
            cut = character_boundary(line, EVENT_BYTES)
            self.add(line[:cut], now)
            line = line[cut:]
        if line:
            size = len(line) + EVENT_OVERHEAD
            self.events.append((now, line.decode("utf-8", "replace"), size))
            self.bytes += size

    def close(self) -> None:
        """Read no more."""
        for pipe in self.pipes:
            os.close(pipe.descriptor)

    def batch(self) -> list[dict[str, Any]]:
        """Return the next events for one PutLogEvents."""
        events: list[dict[str, Any]] = []
        size = 0
        while self.events and len(events) < BATCH_EVENTS and size + self.events[0][2] <= BATCH_BYTES:
            timestamp, message, cost = self.events.popleft()
            events.append({"timestamp": timestamp, "message": message})
            size += cost
            self.bytes -= cost
        return events


class LogPump:
    """Carries the output of every container to its log stream."""

    def __init__(self, gate: MotoGate) -> None:
        self._gate = gate
        self._selector = selectors.DefaultSelector()
        self._changed = threading.Condition()
        self._streams: set[Stream] = set()
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._threads = [
            threading.Thread(target=self._read_forever, name="log-reader", daemon=True),
            threading.Thread(target=self._deliver_forever, name="log-sender", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def open(self, target: LogTarget, on_end: Callable[[], None], *, in_order: bool) -> tuple[int, int]:
        """Return the descriptors for a container's standard output and error.

        With `in_order` both are one pipe, and lines come in the order written; without it each has its own, and no
        line of one is broken by the other. `on_end` is called once all that was written has been delivered.
        """
        output, output_end = os.pipe()
        error, error_end = (output, os.dup(output_end)) if in_order else os.pipe()
        for read_end in {output, error}:
            os.set_blocking(read_end, False)
            enlarge(read_end)
        stream = Stream(target, {output, error}, on_end)
        with self._changed:
            self._streams.add(stream)
            self._watch(stream)
        self._wake()
        return output_end, error_end

    def close(self) -> None:
        """Deliver what is queued and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._wake()
        for thread in self._threads:
            thread.join()
        for stream in self._streams:
            stream.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self) -> None:
        os.write(self._wake_write, b"x")

    def _read_forever(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake_read, 4096)
                else:
                    self._read(*key.data)

    def _read(self, stream: Stream, pipe: Pipe) -> None:
        with self._changed:
            if stream.paused:
                return
            try:
                data = os.read(pipe.descriptor, READ_BYTES)
            except BlockingIOError:
                return
            now = int(time.time() * 1000)
            if data:
                stream.take_lines(pipe, data, now)
            else:
                stream.add(pipe.partial, now)
                pipe.ended = True
                self._selector.unregister(pipe.descriptor)
            if stream.full:
                self._pause(stream)
            self._changed.notify_all()

    def _watch(self, stream: Stream) -> None:
        stream.paused = False
        for pipe in stream.pipes:
            if not pipe.ended:
                self._selector.register(pipe.descriptor, selectors.EVENT_READ, (stream, pipe))

    def _pause(self, stream: Stream) -> None:
        stream.paused = True
        for pipe in stream.pipes:
            if not pipe.ended:
                self._selector.unregister(pipe.descriptor)

    def _deliver_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or any(s.events or s.ended for s in self._streams))
                ready = [stream for stream in self._streams if stream.events or stream.ended]
                if self._closing and not ready:
                    return
            for stream in ready:
                self._deliver(stream)
            if not any(stream.bytes >= BATCH_BYTES for stream in ready):
                time.sleep(0 if self._closing else FLUSH_SECONDS)

    def _deliver(self, stream: Stream) -> None:
        with self._changed:
            events = stream.batch()
        if events:
            self._put(stream.target, events)
        with self._changed:
            if stream.ended and not stream.events:
                self._streams.discard(stream)
                stream.close()
                finished = True
            else:
                finished = False
                if stream.paused and not stream.full:
                    self._watch(stream)
        if finished:
            stream.on_end()
        else:
            self._wake()

    def _put(self, target: LogTarget, events: list[dict[str, Any]]) -> None:
        body = {"logGroupName": target.group, "logStreamName": target.stream, "logEvents": events}
        response = self._gate.handle(logs_request("PutLogEvents", target.region, body))
        if response.code >= 400:
            log.warning("log stream %s/%s: %s", target.group, target.stream, response.content.decode())


def enlarge(pipe: int) -> None:
    """Make a pipe's buffer larger than 64 KiB where the system allows it, so that bursts block less often."""
    resize = getattr(fcntl, "F_SETPIPE_SZ", None)
    if resize is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, resize, READ_BYTES)


def logs_request(action: str, region: str, body: dict[str, Any]) -> CloudRequest:
    """Return a CloudWatch Logs request built by hand: boto3 takes longer to build one than moto to answer it."""
    headers = {
        "host": f"logs.{region}.amazonaws.com",
        "x-amz-target": f"Logs_20140328.{action}",
        "content-type": "application/x-amz-json-1.1",
        "authorization": f"AWS4-HMAC-SHA256 Credential=fargate-local/20200101/{region}/logs/aws4_request,"
        " SignedHeaders=host, Signature=0",
    }
    return CloudRequest("POST", "/", headers, json.dumps(body, ensure_ascii=False).encode())


def character_boundary(data: bytes | bytearray, end: int) -> int:
    """Return the last position up to `end` that does not cut a UTF-8 character."""
    while end and data[end] & 0xC0 == 0x80:
        end -= 1
    return end
