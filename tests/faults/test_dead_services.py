"""A real Airflow, one of whose services is killed: somebody is told by mail of what does not start or does not end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def verdict(repository: Path, victim: str) -> dict[str, Any]:
    command: list[str | Path] = [sys.executable, repository / "bench" / "dead_service.py", victim]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_watchdog_tells_of_a_missing_run_while_the_scheduler_is_dead_and_of_its_return(repository: Path) -> None:
    found = verdict(repository, "scheduler")
    *missing, again = [subject.partition("] ")[2] for subject in found["after"]]
    assert "pipeline_minuto no empezó" in missing
    assert again == "pipeline_minuto volvió a empezar"
    assert found["watching"]


def test_a_missed_deadline_is_told_while_the_triggerer_is_dead(repository: Path) -> None:
    found = verdict(repository, "triggerer")
    assert "pipeline_minuto está atrasado" in [subject.partition("] ")[2] for subject in found["after"]]
