"""The steps of a shared container without the container: forks of an interpreter that has loaded a module.

    python bench/warm_command.py transformacion

Reads commands from stdin, one JSON list a line; forks for each, as `datavision-run` does; answers each with one line:
exit code, seconds, CPU seconds, and the most memory that the fork had, in bytes. The command's output goes to stderr.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import entry_points
from typing import Self

from measured import Cost

from datavision_runtime.shared.child import preload


class WarmCommand:
    """An interpreter that has loaded `module`, as long as the block lasts."""

    def __init__(self, module: str, env: Mapping[str, str]) -> None:
        self._words = [sys.executable, __file__, module]
        self._env = dict(env)
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._said = self._files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        self._process = subprocess.Popen(
            self._words,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._files.close()

    def run(self, command: Sequence[str]) -> Cost:
        """Run a command in a fork, to its end."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(list(command)) + "\n")
        self._process.stdin.flush()
        cost = Cost(**json.loads(self._read()))
        if cost.code:
            self._said.seek(0)
            sys.exit(f"{' '.join(command)} ended with {cost.code} in a warm interpreter:\n{self._said.read()[-3000:]}")
        return cost

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


def main(module: str) -> None:
    preload(module)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    answers.write("{}\n")
    for line in sys.stdin:
        answers.write(json.dumps(forked(json.loads(line))) + "\n")


def forked(command: list[str]) -> dict[str, float]:
    began = time.monotonic()
    if not (pid := os.fork()):
        call(command)
    _, status, used = os.wait4(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }


def call(command: list[str]) -> None:
    """Call the command as its console script would, and end this process."""
    code: object = 1
    try:
        sys.argv = command
        (script,) = entry_points(group="console_scripts", name=command[0])
        code = script.load()()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main(sys.argv[1])
