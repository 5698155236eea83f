"""`datavision-run COMMAND…`: PID 1 of every image.

It starts the command, passes signals on, reaps orphans, measures, and delivers the result to `DATAVISION_RESULT_URI`;
with `DATAVISION_SHARED` it serves the steps of several tasks instead.
Its exit code is the command's (128 + N when signal N ended it), or 2 when there is nothing it could start. It has no
options of its own, since every word belongs to the command: hence no command-line framework, which each task of each
image would wait for at its start.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

from datavision_runtime import exit_codes
from datavision_runtime.deliver import DeliveryError
from datavision_runtime.process_environment import RESULT_FILE_VARIABLE, ProcessEnvironment
from datavision_runtime.report import Report, timestamp
from datavision_runtime.result import ResultError, read_result
from datavision_runtime.saying import cannot_start, say
from datavision_runtime.usage import UsageSampler

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command given as arguments and exit with its code.

    Raises:
        SystemExit: Always: with the command's exit code, or 2 when there is nothing to run or no writable /tmp.
    """
    command = list(sys.argv[1:] if arguments is None else arguments)
    process = ProcessEnvironment.current()
    if not command and not process.shared:
        say("usage: datavision-run COMMAND [ARGUMENT…]")
        raise SystemExit(exit_codes.USAGE)
    try:
        # What a command left there and made unreadable is removed with the container.
        place = tempfile.TemporaryDirectory(prefix="datavision-run-", ignore_cleanup_errors=True)
    except OSError as error:
        say(f"cannot create a folder for temporary files ({error.strerror}). Give the container a writable /tmp.")
        raise SystemExit(exit_codes.USAGE) from None
    with place as folder:
        if process.shared:
            raise SystemExit(_serve(process.shared, process, Path(folder)))
        raise SystemExit(run(command, Path(folder) / "result.json", process))


def run(command: Sequence[str], result_file: Path, process: ProcessEnvironment) -> int:
    """Run `command` with our variables, deliver its report if `process` says where to, and return its exit code."""
    started_at, start = timestamp(), time.monotonic()
    sampler = UsageSampler()
    with SignalForwarder() as signals:
        try:
            child = subprocess.Popen(command, env=process.for_command(result_file), process_group=0)
        except OSError as error:
            say(cannot_start(command[0], error))
            return exit_codes.USAGE
        signals.to_group(child.pid)
        sampler.start()
        exit_code = _wait(child)
    usage = sampler.stop()
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        result = read_result(result_file)
    except ResultError as error:
        say(f"{error} Fix what the command writes to ${RESULT_FILE_VARIABLE}.")
        result, exit_code = None, exit_code or exit_codes.USAGE
    report = Report(
        result=result,
        exit_code=exit_code,
        wall_seconds=round(time.monotonic() - start, 3),
        cpu_seconds=round(cpu.ru_utime + cpu.ru_stime, 3),
        peak_memory_bytes=usage.peak_memory_bytes,
        bytes_written=usage.bytes_written,
        started_at=started_at,
        finished_at=timestamp(),
    )
    return _deliver(report, process.result_uri)


def _serve(serving: str, process: ProcessEnvironment, folder: Path) -> int:
    # Only a shared container needs what this imports.
    from datavision_runtime.shared.messages import Serving
    from datavision_runtime.shared.server import Server

    try:
        return Server(Serving.of(serving), process, folder, say).serve()
    except (ValueError, DeliveryError) as error:
        say(str(error))
        return exit_codes.USAGE


def _deliver(report: Report, uri: str | None) -> int:
    if uri is None:
        return report.exit_code
    try:
        report.deliver(uri)
    except DeliveryError as error:
        say(str(error))
        return report.exit_code or exit_codes.FAILURE
    return report.exit_code


class SignalForwarder:
    """Forwards signals to the command's process group; one that arrives before the command starts is kept for it."""

    def __init__(self) -> None:
        self._group: int | None = None
        self._early: list[int] = []
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._forward) for number in FORWARDED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def to_group(self, group: int) -> None:
        """Forward signals to `group` from now on, including those that arrived earlier."""
        self._group = group
        for number in self._early:
            self._forward(number, None)

    def _forward(self, number: int, _: FrameType | None) -> None:
        if self._group is None:
            self._early.append(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(self._group, number)


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for the command, reaping orphans, and return its exit code (128 + N for signal N)."""
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            break
    _end_group(child.pid)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _end_group(group: int) -> None:
    """Kill what the command left running: a container ends with its first process."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
