"""The process of one step: forked from an interpreter that has loaded what the module's commands need.

A module whose command has the module's name says in its project file what to load for it:
`[project.entry-points."datavision_runtime.shared"]`, `module = "package.module:function"`. The function is called once
in that interpreter; the command is then called in the forked process as its console script would call it. Any other
command is started as a program.
"""

import gc
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path

from datavision_runtime import exit_codes
from datavision_runtime.process_environment import replace_variables
from datavision_runtime.saying import cannot_start, say

GROUP = "datavision_runtime.shared"


def preload(module: str) -> None:
    """Load what the module's command needs, if the module says what that is.

    It stays loaded: no step's garbage collector goes over it again, nor copies its pages by doing so.
    """
    for point in entry_points(group=GROUP, name=module):
        point.load()()
    gc.collect()
    gc.freeze()


def run_step(command: Sequence[str], environment: Mapping[str, str], output: Connection, usage_file: Path) -> None:
    """Run `command` as a process group of its own, writing to `output`; leave its CPU seconds in `usage_file`.

    Raises:
        SystemExit: Always, with the command's exit code.
    """
    os.setpgid(0, 0)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    code: int | str | None = exit_codes.FAILURE
    try:
        code = _call(command, environment) if is_callable(command[0]) else _start(command, environment)
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        usage_file.write_text(json.dumps(sum(item.ru_utime + item.ru_stime for item in used)), encoding="utf-8")
    raise SystemExit(code)


def is_callable(program: str) -> bool:
    """Return whether `program` is a command that can be called here instead of started."""
    return bool(entry_points(group=GROUP, name=program))


def _call(command: Sequence[str], environment: Mapping[str, str]) -> int | str | None:
    replace_variables(environment)
    sys.argv = list(command)
    # The streams of the interpreter that this one was forked from may be closed, or buffered by blocks.
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - it lives as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - it lives as long as the process
    (script,) = entry_points(group="console_scripts", name=command[0])
    code: int | str | None = script.load()()
    return code


def _start(command: Sequence[str], environment: Mapping[str, str]) -> int:
    # The whole group gets the signal; what the command does about it decides. A handler is not inherited, ignoring is.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        code = subprocess.run(command, env=dict(environment), check=False).returncode
    except OSError as error:
        say(cannot_start(command[0], error))
        return exit_codes.USAGE
    return code if code >= 0 else 128 - code
