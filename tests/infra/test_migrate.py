"""Airflow's migrations: one container at a time, on a real PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from datavision.infra.migrate import _LOCK
from datavision.local.postgres import EmbeddedPostgres

AIRFLOW = """#!/bin/sh
[ "$*" = "db migrate" ] || exit 64
mkdir {folder}/held || exit 65
sleep 0.5
rmdir {folder}/held
echo done >> {folder}/done
exit ${{FAILS:-0}}
"""
"""An Airflow that fails if another one migrates at the same time."""


@pytest.fixture(autouse=True)
def forgotten(postgres: EmbeddedPostgres) -> None:
    """No container has migrated yet."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS datavision_migrated")


def start(postgres: EmbeddedPostgres, folder: Path, **variables: str) -> "subprocess.Popen[bytes]":
    """A container's migration."""
    program = folder / "bin" / "airflow"
    program.parent.mkdir(exist_ok=True)
    program.write_text(AIRFLOW.format(folder=folder))
    program.chmod(0o755)
    url = postgres.url("postgres").replace("postgresql://", "postgresql+psycopg2://")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", **variables}
    command = [sys.executable, "-m", "datavision.infra.migrate"]
    return subprocess.Popen(command, env={**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url})


def test_containers_that_start_together_migrate_one_after_the_other(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    started = [start(postgres, tmp_path) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert (tmp_path / "done").read_text().split() == ["done"]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("UPDATE datavision_migrated SET versions = 'another Airflow'")
    assert start(postgres, tmp_path).wait() == 0
    assert (tmp_path / "done").read_text().split() == ["done"] * 2


def test_a_migration_that_fails_fails_its_container_and_is_tried_again(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert start(postgres, tmp_path, FAILS="3").wait() == 3
    assert start(postgres, tmp_path).wait() == 0
    assert (tmp_path / "done").read_text().split() == ["done"] * 2


def test_a_container_that_is_killed_leaves_no_lock(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        waiting = start(postgres, tmp_path)
        while not other.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone():
            assert waiting.poll() is None
        waiting.kill()
        waiting.wait()
    assert start(postgres, tmp_path).wait() == 0
