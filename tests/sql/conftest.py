import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.support.children import bare_environment

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect
from datavision_lakehouse.history import mark_load


class State:
    """A state folder with a small lakehouse of two loads in it, and the command on it."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.repository = repository

    def environment(self) -> dict[str, str]:
        return bare_environment(
            HOME=str(self.folder),
            DATAVISION_STATE_DIR=str(self.folder),
            DATAVISION_CONFIG_DIR=str(self.repository / "config"),
        )

    def run(
        self, *arguments: str, given: str = "", more: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from datavision.cli.app import main; main()", *arguments]
        return subprocess.run(
            command,
            env={**self.environment(), **(more or {})},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.repository,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder / "postgres") as started:
        yield started


@pytest.fixture(scope="module")
def settings(server: EmbeddedPostgres, folder: Path) -> LakehouseSettings:
    made = LakehouseSettings.model_validate(
        {"catalog_url": server.url("lakehouse"), "data_path": str(folder / "lakehouse")}
    )
    with connect(made) as lake:
        for number in (1, 2):
            lake.execute("BEGIN")
            lake.execute("CREATE SCHEMA IF NOT EXISTS marts")
            lake.execute(
                "CREATE OR REPLACE TABLE marts.ventas AS "
                "SELECT range AS id, (range * 1.10)::DECIMAL(12,2) AS monto, "
                f"'ñandú, \"{number}\"' AS nombre, NULL::DATE AS baja, "
                "TIMESTAMP '2026-01-02 03:04:05' AS alta "
                f"FROM range({number * 2})"
            )
            mark_load(lake, f"carga-{number}")
            lake.execute("COMMIT")
    return made


@pytest.fixture
def state(settings: LakehouseSettings, folder: Path, repository: Path) -> State:
    return State(folder, repository)


@pytest.fixture
def empty_state(tmp_path: Path, repository: Path) -> Iterator[State]:
    yield State(tmp_path / "state", repository)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
