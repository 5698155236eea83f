"""Child processes of the local stack."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from datavision.local.processes import Service, StartError, session_members


def shell(script: str, tmp_path: Path) -> Service:
    return Service(
        "the shell", ["sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path / "logs" / "shell.log", stop_seconds=1
    )


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text().strip()


def test_stopping_ends_the_whole_session_even_what_ignores_the_signal(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    service = shell(f"(trap '' TERM; sleep 300) & echo $! > {pid_file}; wait", tmp_path)
    stubborn = int(wait_for(pid_file))
    service.stop()
    assert service.exited()
    assert gone(stubborn)
    assert session_members(service.pid) == []


def test_stopping_ends_children_that_opened_a_session_of_their_own(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    service = shell(f"setsid sh -c 'echo $$ > {pid_file}; sleep 300' & wait", tmp_path)
    child = int(wait_for(pid_file))
    service.stop()
    assert gone(child)


def test_a_service_is_asked_to_end_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    trap = f"trap 'echo asked >> {asked}; sleep 0.3; exit' TERM"
    service = shell(f"{trap}; echo $$ > {tmp_path / 'pid'}; while :; do sleep 0.05; done", tmp_path)
    wait_for(tmp_path / "pid")
    service.terminate()
    wait_for(asked)
    service.stop()
    assert asked.read_text().split() == ["asked"]


def test_patience_counts_from_when_it_was_first_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sh", "-c", f"trap '' TERM; echo $$ > {tmp_path / 'pid'}; while :; do sleep 1; done"]
    service = Service("the shell", words, {"PATH": os.environ["PATH"]}, tmp_path / "log", stop_seconds=1000)
    wait_for(tmp_path / "pid")
    service.terminate()
    now = time.monotonic
    monkeypatch.setattr("datavision.local.processes.time.monotonic", lambda: now() + 1000)
    service.stop()
    assert service.exited()


def test_a_service_that_ends_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    service = shell("echo 'port 5432 is taken' >&2; exit 3", tmp_path)
    with pytest.raises(StartError, match=r"the shell exited while starting(.|\n)*port 5432 is taken"):
        service.wait_until(lambda: False, seconds=20)


def test_a_service_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    service = shell("sleep 300", tmp_path)
    try:
        with pytest.raises(StartError, match="was not ready after 0 s"):
            service.wait_until(lambda: False, seconds=0.3)
    finally:
        service.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_killing_the_parent_ends_its_services(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom datavision.local.processes import Service\n"
        f"s = Service('s', ['sleep', '300'], {{'PATH': '/usr/bin:/bin'}}, Path({str(tmp_path / 'log')!r}))\n"
        f"Path({str(pid_file)!r}).write_text(str(s.pid))\ntime.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    child = int(wait_for(pid_file))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    deadline = time.monotonic() + 10
    while not gone(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
