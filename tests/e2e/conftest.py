"""One running platform for a file of end-to-end tests: `datavision up` on a small business, in its own state folder.

It ends with the file: one that only waits takes a fifth of a core from all tests that follow.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from tests.support.receivers import Received, receiver

from datavision.airflow_api import AirflowApi
from datavision.config import Config
from datavision.local.stack import RunningStack

ACCOUNTS = 2_000
UP_SECONDS = 420
WRITE_BY_THE_CLOCK = ("pipeline_suscripciones", "mantenimiento_auditoria")
DATAVISION = Path(sys.executable).parent / "datavision"


@dataclass
class Platform:
    """What a user has: the command, and the addresses that `datavision up` printed."""

    repository: Path
    state: Path
    received: Received
    """What it told of lineage, traces and metrics."""

    @property
    def env(self) -> dict[str, str]:
        """The environment of a command: ours, the state folder, and where it tells what it does."""
        telling = {
            "DATAVISION_OPENLINEAGE__URL": self.received.url,
            "DATAVISION_OPENTELEMETRY__ENDPOINT": self.received.url,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }
        return {**os.environ, **telling, "DATAVISION_STATE_DIR": str(self.state), "NO_COLOR": "1"}

    @property
    def stack(self) -> dict[str, Any]:
        """What the running stack says of itself."""
        loaded: dict[str, Any] = json.loads((self.state / "stack.json").read_text())
        return loaded

    @property
    def config(self) -> Config:
        """The local configuration, with the running cloud's address in it."""
        return RunningStack(**self.stack).config

    def call(self, *arguments: str, seconds: float = 900) -> "subprocess.CompletedProcess[str]":
        """Run `datavision …` and return what it did."""
        return subprocess.run(
            [DATAVISION, *arguments], cwd=self.repository, env=self.env, capture_output=True, text=True, timeout=seconds
        )

    def run(self, pipeline: str, *arguments: str) -> dict[str, Any]:
        """Run a pipeline to success and return its outcome."""
        done = self.call("run", pipeline, "--json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)[0]
        return outcome

    def sql(self, query: str, *arguments: str) -> list[dict[str, Any]]:
        """Read the lakehouse as a script would."""
        done = self.call("sql", query, "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    @contextmanager
    def nothing_by_the_clock(self) -> Iterator[None]:
        """Keep the daily DAGs that write from starting meanwhile, whatever the time of day, and let end what runs."""
        with AirflowApi(self.stack["airflow_url"], password=self.stack["airflow_password"]) as api:

            def pause(paused: bool) -> None:
                for dag in WRITE_BY_THE_CLOCK:
                    api._call("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": paused})

            pause(True)
            try:
                deadline = time.monotonic() + UP_SECONDS
                while any(run.dag_id in WRITE_BY_THE_CLOCK for run in api.begun_runs()):
                    assert time.monotonic() < deadline
                    time.sleep(1)
                yield
            finally:
                pause(False)

    def source(self, query: str) -> list[tuple[Any, ...]]:
        """Read the source itself."""
        with psycopg.connect(self.stack["source_url"]) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def received() -> Iterator[Received]:
    """The server of lineage, traces and metrics."""
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def platform(repository: Path, tmp_path_factory: pytest.TempPathFactory, received: Received) -> Iterator[Platform]:
    """A running stack, stopped by Ctrl-C at the end, after which nothing of it may be left."""
    found = Platform(repository, tmp_path_factory.mktemp("platform") / "state", received)
    loaded = found.call("source", "load", "--accounts", str(ACCOUNTS), "--seed", "7")
    assert loaded.returncode == 0, loaded.stderr
    log = found.state / "up.log"
    with log.open("w") as output:
        up = subprocess.Popen([DATAVISION, "up"], cwd=repository, env=found.env, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + UP_SECONDS
        while not (found.state / "stack.json").exists():
            assert up.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        with pytest.MonkeyPatch.context() as patch:
            # Calls from this process find the cloud's key there.
            patch.setenv("DATAVISION_STATE_DIR", str(found.state))
            yield found
    finally:
        # psutil.NoSuchProcess would say nothing of why it ended.
        assert up.poll() is None, f"datavision up ended by itself, exit code {up.returncode}:\n{log.read_text()}"
        started = _tree(up.pid)
        up.send_signal(signal.SIGINT)
        assert up.wait(90) == 0, log.read_text()
        _, alive = psutil.wait_procs(started, timeout=10)
        assert not alive, f"left running: {[process.cmdline() for process in alive]}"


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
