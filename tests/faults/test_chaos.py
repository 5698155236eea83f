"""A real Airflow whose scheduler, workers and triggerer are killed; bench/chaos.py does it as often as you like."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_random_moments_give_neither_a_second_container_nor_a_lost_one(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, repository / "bench" / "chaos.py", "--kills", "8", "--seed", "1", "--runs-at-once", "2"],
        capture_output=True,
        text=True,
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["containers"] == verdict["task_instances"]
    assert (verdict["duplicates"], verdict["missing"], verdict["wrong_runs"]) == ([], [], [])
    assert verdict["left_running"] == 0
    assert (verdict["unrecorded"], verdict["unfinished"]) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_step_of_a_shared_container_runs_twice_at_the_same_time_or_again_after_its_end(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, repository / "bench/chaos.py", "--shared", "--kills", "10", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["duplicates"], verdict["missing"], verdict["wrong_runs"]) == ([], [], [])
    assert verdict["left_running"] == 0
    assert (verdict["unrecorded"], verdict["unfinished"]) == ([], [])
    assert 0 < verdict["containers"] < verdict["task_instances"] + verdict["kills"].get("container", 0)
