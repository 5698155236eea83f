"""A state folder that something else has written in ends the start with one sentence; a crash's torn line does not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from fargate_local import FargateLocal, embedded
from fargate_local.cloud.journal import Journal
from fargate_local.cloud.requests import CloudRequest
from fargate_local.state import StateError


def folder_with_changes(path: Any, count: Any = 3) -> Any:
    journal = Journal(path)
    journal.open()
    for number in range(count):
        journal.append(1.0, number, CloudRequest("PUT", f"/bucket{number}", {"host": "127.0.0.1"}), None)
    journal.close()
    return journal


def start(state: Any) -> Any:
    """Start a server that cannot start."""
    return subprocess.run(
        [sys.executable, "-m", "fargate_local", "serve", "--port", "0", "--state-dir", str(state)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_broken_line_ends_the_start_with_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    journal = folder_with_changes(tmp_path / "cloud")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    broken = [lines[0], lines[1][:20] + b"\n", lines[2]]
    journal.path.write_bytes(b"".join(broken))
    ended = start(tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") <= 2
    assert f"line 2 of {journal.path} is no record of a change" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert journal.path.read_bytes() == b"".join(broken), "what somebody may put right is as it was"


def test_a_broken_table_of_tasks_ends_the_start_with_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "tasks.sqlite").write_text("this is no database, however long one looks at it. " * 100)
    ended = start(tmp_path)
    assert ended.returncode == 2
    assert f"cannot read the tasks in {tmp_path / 'tasks.sqlite'}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "line", [b"{}\n", b"[]\n", b"null\n", b"\n", b"\xff\xfe\n", b'{"n": 1, "t": 1.0, "seed": 1, "method": "PUT"}\n']
)
def test_whatever_is_no_record_is_named_by_its_line(tmp_path: Path, line: Any) -> None:
    journal = folder_with_changes(tmp_path)
    with journal.path.open("ab") as file:
        file.write(line)
    with pytest.raises(StateError, match=r"line 4 of .*journal.jsonl is no record of a change \(.+\): put back"):
        Journal(tmp_path).read()


def test_a_body_that_is_gone_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    journal.append(1.0, 1, CloudRequest("PUT", "/bucket/key", {}, b"x" * 100_000), None)
    journal.close()
    (record,) = Journal(tmp_path).read()
    (journal.bodies / "1.body").unlink()
    with pytest.raises(StateError, match=r"cannot read .*1\.body \(No such file or directory\), which change 1 of"):
        journal.with_body(record)


def test_a_server_that_does_not_answer_in_time_is_ended_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "READY_SECONDS", 0.05)
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(RuntimeError, match=r"fargate-local could not start \(no answer within 0\.05 s\)"):
        FargateLocal().start()
    assert set(psutil.Process().children(recursive=True)) <= before
