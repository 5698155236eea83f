"""`datavision-run` as a container's PID 1 sees it: a real process around a real command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

RUN = [sys.executable, "-c", "from datavision_runtime.main import main; main()"]


@pytest.fixture(scope="module")
def aws(s3_variables: dict[str, str]) -> dict[str, str]:
    s3(s3_variables).create_bucket(Bucket="results")
    return s3_variables


def s3(env: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id="x",
        aws_secret_access_key="x",
        region_name="us-east-1",
    )


def run(*command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*RUN, *command], env={**os.environ, **env}, capture_output=True, text=True, timeout=60)


def delivered(aws: dict[str, str], key: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(s3(aws).get_object(Bucket="results", Key=key)["Body"].read())
    return loaded


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_exit_code_is_the_commands_own(code: int) -> None:
    assert run("sh", "-c", f"exit {code}").returncode == code


def test_a_command_ended_by_a_signal_exits_with_128_plus_its_number() -> None:
    assert run("sh", "-c", "kill -9 $$").returncode == 137


def test_a_command_that_does_not_exist_is_a_usage_error_in_one_line() -> None:
    done = run("no-such-command")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "datavision-run: cannot start 'no-such-command': No such file or directory. "
        "Check the command that the DAG returns."
    ]


def test_no_command_at_all_is_a_usage_error() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: datavision-run COMMAND" in done.stderr


def test_the_result_and_what_was_measured_reach_s3(aws: dict[str, str]) -> None:
    code = "from datavision_runtime import write_result; b = bytearray(200 << 20); write_result({'rows': 7})"
    done = run(sys.executable, "-c", code, DATAVISION_RESULT_URI="s3://results/a/b.json", **aws)
    assert done.returncode == 0, done.stderr
    report = delivered(aws, "a/b.json")
    assert report["result"] == {"rows": 7}
    assert report["exit_code"] == 0
    assert report["wall_seconds"] > 0
    assert report["cpu_seconds"] > 0
    assert report["started_at"] < report["finished_at"]


def test_peak_memory_is_that_of_the_whole_tree(aws: dict[str, str]) -> None:
    child = f"{sys.executable} -c 'b = bytearray(100 << 20); import time; time.sleep(1)'"
    run("sh", "-c", f"{child} & {child} & wait", DATAVISION_RESULT_URI="s3://results/tree.json", **aws)
    assert delivered(aws, "tree.json")["peak_memory_bytes"] > 200 << 20


def test_a_failed_command_delivers_its_report_too(aws: dict[str, str]) -> None:
    assert run("sh", "-c", "exit 3", DATAVISION_RESULT_URI="s3://results/failed.json", **aws).returncode == 3
    report = delivered(aws, "failed.json")
    assert (report["exit_code"], report["result"]) == (3, None)


def test_a_result_that_cannot_be_delivered_fails_the_task_and_says_why(aws: dict[str, str]) -> None:
    done = run("true", DATAVISION_RESULT_URI="s3://no-such-bucket/x.json", **aws)
    assert done.returncode == 1
    assert "could not be written to s3://no-such-bucket/x.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[1]", "must hold an object"),
        ("{", "not valid JSON"),
        ("[" * 40_000, "not valid JSON"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ('{"a": "' + "x" * 50_000 + '"}', "the limit is 49152"),
    ],
)
def test_a_malformed_result_is_a_usage_error_that_names_the_problem(content: str, problem: str) -> None:
    write = f"import os, pathlib; pathlib.Path(os.environ['DATAVISION_RESULT_FILE']).write_text({content!r})"
    done = run(sys.executable, "-c", write)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_in_the_place_of_the_result_is_a_usage_error_too() -> None:
    done = run("sh", "-c", 'mkdir "$DATAVISION_RESULT_FILE"')
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "The result file cannot be read: Is a directory." in done.stderr


@pytest.mark.parametrize(
    ("uri", "variables"),
    [
        ("nonsense", {}),
        ("s3://", {}),
        ("s3://results", {}),
        ("s3:///key", {}),
        ("https://results/key", {}),
        ("s3://No Bucket\u00e9/\u00e9", {}),
        ("s3://results/x.json", {"AWS_ENDPOINT_URL": "nonsense"}),
        ("s3://results/x.json", {"AWS_DEFAULT_REGION": "no region!"}),
        ("s3://results/x.json", {"AWS_PROFILE": "nobody"}),
        pytest.param(
            "s3://results/x.json",
            {"AWS_CA_BUNDLE": "/nonexistent", "AWS_ENDPOINT_URL": "https://127.0.0.1:9"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_destination_of_no_use_is_one_sentence(aws: dict[str, str], uri: str, variables: dict[str, str]) -> None:
    done = run("true", **{**aws, "DATAVISION_RESULT_URI": uri, **variables})
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("datavision-run: The result")


@pytest.mark.parametrize("command", [[""], ["/etc/hostname"], ["/tmp"], ["/nonexistent/x"], ["x" * 5000]])
def test_what_cannot_be_started_is_one_sentence(command: list[str]) -> None:
    done = run(*command)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"datavision-run: cannot start {command[0]!r}: ")


def test_without_a_place_for_temporary_files_there_is_one_sentence(tmp_path: Path) -> None:
    nowhere = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nonexistent']; "
    code = nowhere + RUN[-1]
    done = subprocess.run([*RUN[:-1], code, "true"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "writable /tmp" in done.stderr


def test_sigterm_reaches_the_command_which_decides_how_to_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 42' TERM; touch {ready}; while :; do sleep 0.05; done"
    process = subprocess.Popen([*RUN, "sh", "-c", script])
    while not ready.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 42


def test_what_the_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    assert run("sh", "-c", f"sleep 300 & echo $! > {pid_file}").returncode == 0
    pid = int(pid_file.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path) -> None:
    assert run("true", TMPDIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []
