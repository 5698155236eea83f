"""What a server that crashed leaves of its tasks' volumes."""

import os
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from fargate_local.runtimes.volumes import PREFIX, Volumes


def test_the_next_server_removes_the_volumes_of_dead_ones_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    # A thread has a number as a process has, and the kernel gives the number of a dead server to either.
    for number in (ended.pid, thread.native_id, os.getpid(), 1):
        (tmp_path / f"{PREFIX}{number}" / "task").mkdir(parents=True)
    try:
        Volumes().end_leftovers()
    finally:
        waiting.set()
        thread.join()
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}{os.getpid()}", f"{PREFIX}1"}
