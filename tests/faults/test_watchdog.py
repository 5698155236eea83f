"""A real Airflow whose scheduler is killed: somebody is told of the run that does not start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_watchdog_tells_of_a_missing_run_while_the_scheduler_is_dead_and_of_its_return(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, repository / "bench" / "dead_scheduler.py"], capture_output=True, text=True, timeout=1100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["before"] == [], "no mail while the scheduler works"
    assert [subject.partition("] ")[2] for subject in verdict["after"]] == [
        *["pipeline_minuto no empezó"] * (len(verdict["after"]) - 1),
        "pipeline_minuto volvió a empezar",
    ]
    assert len(verdict["after"]) > 1
    assert verdict["watching"]
