"""The command line: people's words on stdout, sentences for their mistakes, JSON for scripts."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs
from typer.main import get_command
from typer.testing import CliRunner

from fargate_local.cli import app
from fargate_local.cli.moments import milliseconds
from fargate_local.cli.output import UserError


@pytest.fixture
def cli(ecs: Ecs) -> Any:
    """Runs a command against the cloud; returns what it printed."""

    def run(*words: str, fails: bool = False) -> Any:
        done = CliRunner().invoke(app, words, env={**ecs.cloud.environment, "NO_COLOR": "1"})
        if fails:
            assert isinstance(done.exception, UserError)
            return str(done.exception)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[Any]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_ends_its_help_with_an_example_of_itself() -> None:
    for path, command in commands(get_command(app)):
        assert command.epilog, path
        assert command.epilog.startswith(f"Example: fargate-local {' '.join(path)}")
        assert command.help, path


def test_ps_lists_tasks_for_people_and_for_scripts(ecs: Ecs, cli: Callable[..., str]) -> None:
    family = ecs.define_shell("sleep 60")
    arn = ecs.run(family)
    ecs.until_status(arn, "RUNNING")
    line = next(line for line in cli("ps", "--cluster", ecs.cluster).splitlines() if arn.rsplit("/", 1)[-1] in line)
    assert family in line
    assert "RUNNING" in line
    tasks = json.loads(cli("ps", "--json"))
    assert arn in [task["taskArn"] for task in tasks]
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)
    assert arn not in [task["taskArn"] for task in json.loads(cli("ps", "--json"))]
    assert arn in [task["taskArn"] for task in json.loads(cli("ps", "--all", "--json"))]


def test_logs_follow_a_task_to_its_end(ecs: Ecs, cli: Callable[..., str]) -> None:
    arn = ecs.shell("echo one; sleep 0.5; echo two")
    assert cli("logs", arn, "--follow").splitlines() == ["one", "two"]
    lines = [json.loads(line)["message"] for line in cli("logs", arn.rsplit("/", 1)[-1][:12], "--json").splitlines()]
    assert lines == ["one", "two"]


def test_logs_of_several_containers_are_named(ecs: Ecs, cli: Callable[..., str]) -> None:
    family = ecs.define(
        {
            "name": "main",
            "command": ["echo", "a"],
            "logged": True,
            # The end of the essential container would end the other one, before its line or after it.
            "dependsOn": [{"containerName": "side", "condition": "SUCCESS"}],
        },
        {"name": "side", "command": ["echo", "b"], "logged": True, "essential": False},
    )
    arn = ecs.finish(family)["taskArn"]
    assert sorted(cli("logs", arn).splitlines()) == ["main | a", "side | b"]
    assert cli("logs", arn, "--container", "main").splitlines() == ["a"]


def test_logs_are_narrowed_to_a_span_of_time(ecs: Ecs, cli: Callable[..., str]) -> None:
    arn = ecs.shell("echo early; sleep 1.2; echo late")
    ecs.stopped(arn)
    lines = [json.loads(line) for line in cli("logs", arn, "--json").splitlines()]
    between = datetime.fromtimestamp((lines[0]["timestamp"] + lines[1]["timestamp"]) / 2000, UTC).isoformat()
    assert cli("logs", arn, "--since", between).splitlines() == ["late"]
    assert cli("logs", arn, "--until", between).splitlines() == ["early"]
    assert cli("logs", arn, "--since", "10m").splitlines() == ["early", "late"]
    assert cli("logs", arn, "--since", "0s").splitlines() == []
    assert "write how long ago" in cli("logs", arn, "--since", "yesterday", fails=True)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", "2026-11-30T11:59:30+00:00"),
        ("10m", "2026-11-30T11:50:00+00:00"),
        ("1.5h", "2026-11-30T10:30:00+00:00"),
        ("2d", "2026-11-28T12:00:00+00:00"),
        ("2026-11-30T09:15:00Z", "2026-11-30T09:15:00+00:00"),
        ("2026-11-30T09:15+01:00", "2026-11-30T08:15:00+00:00"),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, moment: str) -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    expected = datetime.fromisoformat(moment).timestamp() * 1000
    assert milliseconds(text, "--since", noon) == expected


def on_a_terminal(columns: int, environment: dict[str, str], *words: str) -> list[str]:
    """The lines that a command prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    bare = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "PYTHONWARNINGS")}
    with subprocess.Popen(
        [sys.executable, "-m", "fargate_local", *words], stdout=theirs, stderr=theirs, env={**bare, **environment}
    ) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
            while piece := os.read(ours, 4096):
                said += piece
    os.close(ours)
    assert process.returncode == 0
    return said.decode().splitlines()


def test_ps_fits_the_terminal_and_its_ids_still_name_their_tasks(ecs: Ecs, cli: Callable[..., str]) -> None:
    arn = ecs.finish(ecs.define_shell("exit 3", family=f"transformacion-{'larga-' * 5}{uuid.uuid4().hex[:8]}"))[
        "taskArn"
    ]
    for columns in (60, 80, 200):
        lines = on_a_terminal(columns, ecs.cloud.environment, "ps", "--all", "--cluster", ecs.cluster)
        assert all(len(line) <= columns for line in lines), lines
        assert len({len(line.split()[0]) for line in lines[1:]}) == 1
        (mine,) = [line for line in lines if line.startswith(arn.rpartition("/")[2][:12])]
        assert "STOPPED" in mine
        assert " 3" in mine
        assert ("Essential container in task exited" in mine) == (columns == 200)
    assert json.loads(cli("stop", mine.split()[0], "--json"))["taskArn"] == arn


def test_stats_shows_what_running_tasks_use(ecs: Ecs, cli: Callable[..., str]) -> None:
    busy = "held = bytearray(60 << 20); print(1, flush=True)\nwhile True: pass"
    arn = ecs.run(ecs.define({"command": [sys.executable, "-c", busy], "logged": True}))
    idle = ecs.shell("echo 1; sleep 600")
    for each in (arn, idle):
        ecs.log_line(each)
    used = {each["task"]: each for each in json.loads(cli("stats", "--json"))}
    assert used[arn]["cpus"] > 0.2
    assert 60 << 20 < used[arn]["memory"] < 200 << 20
    assert used[idle]["cpus"] < 0.2
    assert (used[idle]["memory_limit"], used[idle]["cpus_reserved"]) == (512 << 20, 0.25)
    assert idle.rpartition("/")[2] in cli("stats", idle)
    for each in (arn, idle):
        ecs.api.stop_task(cluster=ecs.cluster, task=each)
    ecs.stopped(idle)
    assert "no running task" in cli("stats", idle, fails=True)


def test_stop_stops_with_a_reason(ecs: Ecs, cli: Callable[..., str]) -> None:
    arn = ecs.shell("sleep 60")
    assert cli("stop", arn, "--reason", "enough") == f"stopping {arn.rsplit('/', 1)[-1]}\n"
    assert ecs.stopped(arn)["stoppedReason"] == "enough"


def test_a_task_that_does_not_exist_is_said_so(cli: Callable[..., str]) -> None:
    assert "no task with an id that begins with 'ffff'" in cli("stop", "ffff", fails=True)


def test_faults_are_added_listed_removed_and_cleared(ecs: Ecs, cli: Callable[..., str], tmp_path: Path) -> None:
    cli("faults", "clear")
    assert cli("faults", "add", "capacity", "--family", "rfm*", "--times", "2").startswith("added rule ")
    (rule,) = json.loads(cli("faults", "list", "--json"))
    assert (rule["fault"], rule["family"], rule["times"], rule["injected"]) == ("capacity", "rfm*", 2, 0)
    assert "family=rfm*" in cli("faults", "list")
    cli("faults", "remove", str(rule["id"]))
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nfault = "latency"\nseconds = 0\n[[rule]]\nfault = "throttling"\ntimes = 1\n')
    cli("faults", "add", "--file", str(file))
    assert len(json.loads(cli("faults", "list", "--json"))) == 2
    cli("faults", "clear")
    assert ecs.cloud.faults() == []


def test_an_unknown_fault_lists_the_known_ones(cli: Callable[..., str]) -> None:
    assert "'spot-interruption'" in cli("faults", "add", "meteor", fails=True)


def test_a_rule_needs_a_fault_or_a_file(cli: Callable[..., str]) -> None:
    assert "name a fault, or give rules with --file" in cli("faults", "add", fails=True)


def test_a_server_that_is_not_there_is_said_so() -> None:
    for words in (["ps"], ["faults", "list"]):
        done = CliRunner().invoke(app, [*words, "--url", "http://127.0.0.1:9"])
        assert "start one with `fargate-local serve`" in str(done.exception)


def serve(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fargate_local", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_address_and_ends_on_a_signal(number: int) -> None:
    with serve() as process:
        assert process.stdout
        assert process.stdout.readline().startswith("fargate-local serves http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(60) == 0


def test_serve_ends_on_a_signal_though_nobody_reads_what_it_says() -> None:
    with serve() as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        process.stderr.close()
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--registry-map", "nonsense"], "write REGISTRY=HOST:PORT"),
        (["--smtp", "nonsense"], "write HOST:PORT"),
        (["--faults", "/no/such/file.toml"], "cannot read fault rules"),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1:0"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words: str, message: str) -> None:
    with serve(*words) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert message in said
    assert "Traceback" not in said
