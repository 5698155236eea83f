"""Airflow's services as forks of one process that has imported Airflow: alone, each takes seconds for that.

`python -m datavision.local.airflow_services LOGS SERVICES` runs until it is told to stop (SIGTERM). SERVICES is JSON:
for each name, the arguments of `airflow`. A service's output goes to `LOGS/airflow-<name>.log`. One that ends while it
starts ends the others; one that ends later, as when the kernel kills it because memory is short, is started again.
"""

import gc
import json
import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn

import psutil
from setproctitle import setproctitle

from datavision.local.processes import STOP_SECONDS, die_with_parent, last_words, open_log, session_members, stop_all

COMMAND = "airflow.__main__"
PRELOADED = (
    COMMAND,
    "airflow.cli.cli_parser",
    "airflow.api_fastapi.app",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.dag_processor_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.git.bundles.git",
    "datavision.fargate.operator.operator",
)
_STARTING_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_LAST = ("api-server", "execution-api")
"""Stopped after the others: workers end only when they could report what their tasks did."""
_STOP_SECONDS = {"api-server": 0.2, "execution-api": 0.2, "triggerer": 2.0}
"""The API servers hold no state, and would wait for idle connections; the triggerer sometimes waits six seconds for its
triggers, which the next one goes on with."""


class Forked:
    """A service, from start to stop."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._log = log
        self._starts = 0
        self._started = 0.0
        self._process: BaseProcess
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        # macOS does not let a process go on that was forked after its libraries were loaded.
        context = get_context("fork") if sys.platform == "linux" else get_context("spawn")
        self._starts += 1
        self._started = time.monotonic()
        # By this name Airflow tells a service from its workers, whose SIGTERM it leaves alone.
        self._process = context.Process(
            target=_become, args=(self._arguments, self._log, self._starts > 1), name="MainProcess"
        )
        self._process.start()

    def keep_up(self) -> None:
        """Start it again if it has ended.

        Raises:
            SystemExit: It was starting for the first time.
        """
        if self._process.is_alive():
            return
        self._sweep()
        said = f"Airflow's {self.name} exited with {self._process.exitcode}."
        if self._starts == 1 and time.monotonic() - self._started < _STARTING_SECONDS:
            sys.exit(f"{said} {last_words(self._log, 5)}")
        sys.stderr.write(f"{said} It is started again.\n")
        self.start()

    def terminate(self) -> None:
        """Ask it to exit."""
        self._process.terminate()

    def stop(self) -> None:
        """Wait for it to exit, as long as it may take, and kill what is left."""
        self._process.join(_STOP_SECONDS.get(self.name, STOP_SECONDS))
        self._process.kill()
        self._process.join()
        self._sweep()

    def _sweep(self) -> None:
        """Kill what it started, as the end of its container would."""
        for process in session_members(self._process.pid or -1):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def main() -> NoReturn:
    """Run the services until SIGTERM."""
    logs, services = Path(sys.argv[1]), json.loads(sys.argv[2])
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    running: list[Forked] = []
    try:
        for name, arguments in services.items():
            running.append(Forked(name, arguments, logs / f"airflow-{name}.log"))
        while True:
            time.sleep(_LOOK_SECONDS)
            for service in running:
                service.keep_up()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop_all([service for service in running if service.name not in _LAST])
        stop_all([service for service in running if service.name in _LAST])


def _become(arguments: list[str], log: Path, again: bool) -> None:
    """Be `airflow` with these arguments, in a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    die_with_parent()
    with open_log(log, append=again) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    setproctitle(" ".join(["airflow", *arguments]))
    sys.argv = ["airflow", *arguments]
    import_module(COMMAND).main()


if __name__ == "__main__":
    main()
