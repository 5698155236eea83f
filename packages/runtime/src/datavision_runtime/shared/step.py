"""One step in a shared container: its process, its log, its measures, its report."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psutil

from datavision_runtime import exit_codes
from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.report import Report, timestamp
from datavision_runtime.result import ResultError, read_result
from datavision_runtime.shared.child import run_step
from datavision_runtime.shared.log_stream import LogStream
from datavision_runtime.shared.messages import Start
from datavision_runtime.usage import TreeUsage

OUTPUT_SECONDS = 5.0
"""How long output is read after the end: a process that left the group may keep it open for ever."""
OUT_OF_MEMORY = "OutOfMemoryError"
_READ_BYTES = 65536


class Step:
    """A step from its process's start to its report."""

    def __init__(
        self, asked: Start, process: ProcessEnvironment, context: ForkServerContext, folder: Path, log: LogStream
    ) -> None:
        """Start the process."""
        self.asked = asked
        self.ended_by: str | None = None
        self._folder = folder
        self._log = log
        self._started_at, self._began = timestamp(), time.monotonic()
        self._kill_at: float | None = None
        folder.mkdir()
        reader, writer = context.Pipe(duplex=False)
        environment = {**process.for_step(self._result_file), **asked.environment}
        self._process = context.Process(
            target=run_step, args=(asked.command, environment, writer, self._usage_file), name=asked.name
        )
        self._process.start()
        writer.close()
        self._pid = self._process.pid or 0
        self._tree = TreeUsage(psutil.Process(self._pid), forked=True)
        self._tree.sample()
        self._pump = threading.Thread(target=pump, args=(reader, log.write), name=f"output {asked.name}", daemon=True)
        self._pump.start()

    @property
    def running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.exitcode is None

    def sample(self) -> int:
        """Return the bytes of memory that it uses now."""
        return self._tree.sample()

    def stop(self, reason: str) -> None:
        """End it: SIGTERM, and SIGKILL when its time to stop has passed."""
        self.ended_by = self.ended_by or reason
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self.asked.stop_seconds
            self._signal(signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """End it at once."""
        self.ended_by = self.ended_by or reason
        self._signal(signal.SIGKILL)

    def press(self) -> None:
        """Kill it if its time to stop has passed."""
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._signal(signal.SIGKILL)

    def finish(self, billed_seconds: float) -> Report:
        """Collect what the ended process left, and return its report."""
        wall = time.monotonic() - self._began
        self._signal(signal.SIGKILL)
        self._pump.join(OUTPUT_SECONDS)
        code = self.exit_code
        try:
            result = read_result(self._result_file)
        except ResultError as error:
            self._log.write(f"datavision-run: {error}")
            result, code = None, code or exit_codes.USAGE
        self._log.close()
        usage = self._tree.usage
        return Report(
            result=result,
            exit_code=code,
            wall_seconds=round(wall, 3),
            cpu_seconds=round(self._cpu_seconds(), 3),
            peak_memory_bytes=usage.peak_memory_bytes,
            bytes_written=usage.bytes_written,
            started_at=self._started_at,
            finished_at=timestamp(),
            billed_seconds=round(billed_seconds, 3),
            ended_by=self.ended_by,
        )

    @property
    def exit_code(self) -> int:
        """Of the ended process; 128 + N if signal N ended it."""
        code = self._process.exitcode or exit_codes.SUCCESS
        return code if code >= 0 else 128 - code

    @property
    def sentinel(self) -> int:
        """What becomes readable when the process ends."""
        return self._process.sentinel

    @property
    def _result_file(self) -> Path:
        return self._folder / "result.json"

    @property
    def _usage_file(self) -> Path:
        return self._folder / "cpu-seconds.json"

    def _cpu_seconds(self) -> float:
        with suppress(OSError, ValueError):
            return float(json.loads(self._usage_file.read_text(encoding="utf-8")))
        return 0.0

    def _signal(self, number: signal.Signals) -> None:
        # The process makes itself a group's leader; before that, the group is that of the interpreter it came from.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


def pump(reader: Connection, write: Callable[[str], None]) -> None:
    """Hand each line that arrives to `write`, until nobody can write any more."""
    rest = b""
    with reader:
        while chunk := _read(reader):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                write(line.decode(errors="replace").rstrip("\r"))
    if rest:
        write(rest.decode(errors="replace"))


def _read(reader: Connection) -> bytes:
    try:
        return os.read(reader.fileno(), _READ_BYTES)
    except OSError:
        return b""
