import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.support.children import bare_environment

from datavision.local import source


def _run(repository: Path, state: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from datavision.cli.app import main; main()", "source", *arguments],
        env=bare_environment(
            HOME=str(state),
            DATAVISION_STATE_DIR=str(state),
            DATAVISION_CONFIG_DIR=str(repository / "config"),
            **environment,
        ),
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
    )


@pytest.mark.slow
def test_load_and_advance_work_on_the_source_that_the_variable_names(
    repository: Path, tmp_path: Path, url: str
) -> None:
    named = {"DATAVISION_SOURCE__URL": url}
    loaded = _run(repository, tmp_path, "load", "--accounts", "60", "--seed", "5", "--until", "2026-03-01", **named)
    assert loaded.returncode == 0, loaded.stderr
    assert "accounts" in loaded.stdout
    assert "rows sent" in loaded.stderr
    assert "rows sent" not in loaded.stdout
    moved = _run(repository, tmp_path, "advance", "--days", "2", **named)
    assert moved.returncode == 0, moved.stderr
    standing = source.standing(url)
    assert standing
    assert str(standing.day) == "2026-03-03"
    again = _run(repository, tmp_path, "load", **named)
    assert again.returncode == 2
    assert "--replace" in again.stderr
    assert "Traceback" not in again.stderr
    assert not (tmp_path / "postgres").exists()


def test_the_embedded_server_runs_for_the_time_of_the_command_only(repository: Path, tmp_path: Path) -> None:
    done = _run(repository, tmp_path, "load", "--accounts", "20")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "postgres" / "data").is_dir()
    left = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()).is_relative_to(tmp_path):
                left.append(process.pid)
        except (psutil.Error, OSError):
            continue
    assert left == []


@pytest.mark.parametrize("command", ["load", "advance"])
def test_help_ends_in_an_example(repository: Path, tmp_path: Path, command: str) -> None:
    done = _run(repository, tmp_path, command, "--help", COLUMNS="120")
    assert f"Example: datavision source {command}" in done.stdout
