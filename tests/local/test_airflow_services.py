"""The local Airflow's services are forks of one process: how they start, end, and are started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.balancer import until
from tests.support.children import bare_environment

from fargate_local.databases.remains import lives

# Two services that write their process number and end, a moment after they were asked to, with a word in their log.
FAKE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from types import SimpleNamespace
from datavision.local import airflow_services

def service():
    folder, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    def end(*_):
        time.sleep(seconds)
        with (folder / "ended").open("a") as file:
            file.write(f"{name}\\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    helper = subprocess.Popen(["sleep", "300"])
    print(f"{name} runs", flush=True)
    (folder / f"{name}.new").write_text(f"{os.getpid()} {helper.pid}")
    (folder / f"{name}.new").rename(folder / name)
    while True:
        time.sleep(300)

airflow_services.PRELOADED = ()
airflow_services.import_module = lambda name: SimpleNamespace(main=service)
airflow_services._STARTING_SECONDS = float(os.environ["STARTING"])
airflow_services.main()
"""


def processes_of(folder: Path, name: str) -> list[psutil.Process]:
    """Wait for a service to be up; return it and what it started."""
    until((folder / name).exists)
    return [psutil.Process(int(pid)) for pid in (folder / name).read_text().split()]


class Services:
    """The process that forks two fakes, an API server that ends at once and a scheduler that takes its time."""

    def __init__(self, folder: Path, starting_seconds: float) -> None:
        self.folder = folder
        services = {"api-server": [str(folder), "api-server", "0"], "scheduler": [str(folder), "scheduler", "1"]}
        self.process = subprocess.Popen(
            [sys.executable, "-c", FAKE, str(folder / "logs"), json.dumps(services)],
            env=bare_environment(STARTING=str(starting_seconds)),
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self) -> str:
        """Wait for its end, and return what it wrote."""
        return self.process.communicate(timeout=60)[1]

    def end(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            own = psutil.Process(self.process.pid)
            for process in [*own.children(recursive=True), own]:
                process.kill()
        self.process.communicate(timeout=10)

    def all(self) -> list[psutil.Process]:
        """Wait for both, and return them and what they started."""
        return [*processes_of(self.folder, "api-server"), *processes_of(self.folder, "scheduler")]


@pytest.fixture
def services(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Services]:
    started = Services(tmp_path, request.param)
    try:
        yield started
    finally:
        started.end()


@pytest.mark.parametrize("services", [0.0], indirect=True)
def test_the_api_server_ends_after_those_that_report_to_it_and_nothing_is_left(services: Services) -> None:
    running = services.all()
    services.process.terminate()
    services.said()
    assert (services.folder / "ended").read_text().split() == ["scheduler", "api-server"]
    until(lambda: not any(map(lives, running)))


@pytest.mark.parametrize("services", [0.0], indirect=True)
def test_a_killed_service_is_started_again_without_what_it_had_started(services: Services) -> None:
    _, _, scheduler, helper = services.all()
    (services.folder / "scheduler").unlink()
    scheduler.kill()
    again, _ = processes_of(services.folder, "scheduler")
    assert again.pid != scheduler.pid
    until(lambda: not lives(helper))
    log = services.folder / "logs" / "airflow-scheduler.log"
    assert log.read_text().splitlines() == ["scheduler runs"] * 2
    services.process.terminate()
    assert services.said() == "Airflow's scheduler exited with -9. It is started again.\n"


@pytest.mark.parametrize("services", [300.0], indirect=True)
def test_a_service_that_ends_while_it_starts_ends_the_others_and_is_named_with_its_last_words(
    services: Services,
) -> None:
    running = services.all()
    os.kill(running[2].pid, signal.SIGKILL)
    said = services.said()
    assert services.process.returncode == 1
    assert said.startswith("Airflow's scheduler exited with -9. Its log is ")
    assert said.endswith("the last lines are:\nscheduler runs\n")
    until(lambda: not any(map(lives, running)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("services", [0.0], indirect=True)
def test_the_services_end_with_the_process_that_forked_them(services: Services) -> None:
    api_server, _, scheduler, _ = services.all()
    services.process.kill()
    services.process.wait(10)
    until(lambda: not lives(api_server) and not lives(scheduler))
    assert sorted((services.folder / "ended").read_text().split()) == ["api-server", "scheduler"]


def test_what_is_imported_before_they_are_forked_exists_and_opens_no_connection(tmp_path: Path) -> None:
    script = (
        "import psutil, threading\n"
        "from importlib import import_module\n"
        "from datavision.local.airflow_services import PRELOADED\n"
        "[import_module(name) for name in PRELOADED]\n"
        "print(len(psutil.Process().net_connections()), threading.active_count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=bare_environment(AIRFLOW_HOME=str(tmp_path), HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 1"
