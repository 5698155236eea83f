"""A shared container as its PID 1: real steps in real processes, told and answered through S3."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psutil
import pytest

RUN = [sys.executable, "-c", "from datavision_runtime.main import main; main()"]
GROUP = "/shared"
SECONDS = 20.0


@pytest.fixture(scope="module")
def aws(s3_variables: dict[str, str]) -> dict[str, str]:
    client("s3", s3_variables).create_bucket(Bucket="results")
    client("logs", s3_variables).create_log_group(logGroupName=GROUP)
    return s3_variables


def client(service: str, variables: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )


@dataclass
class Container:
    """One running `datavision-run`, seen from the workers."""

    variables: dict[str, str]
    idle_seconds: float = 30.0
    ends_after: tuple[str, ...] = ()
    memory_mib: int = 4096
    prefix: str = field(default_factory=lambda: f"shared/{uuid4()}/")
    slot: int = 0

    def __post_init__(self) -> None:
        serving = {
            "uri": f"s3://results/{self.prefix}",
            "idle_seconds": self.idle_seconds,
            "ends_after": self.ends_after,
            "memory_mib": self.memory_mib,
            "module": "ingesta",
        }
        environment = {**os.environ, **self.variables, "DATAVISION_SHARED": json.dumps(serving)}
        self.process = subprocess.Popen(RUN, env=environment, stderr=subprocess.PIPE, text=True)

    def post(self, closed: bool = False, **body: Any) -> None:
        self.slot += 1
        client("s3", self.variables).put_object(
            Bucket="results",
            Key=f"{self.prefix}inbox/{self.slot:06d}.json",
            Body=json.dumps({"closed": closed, **body}).encode(),
            IfNoneMatch="*",
        )

    def start(self, name: str, *command: str, token: str = "", stop_seconds: float = 2.0, **environment: str) -> str:
        token = token or str(uuid4())
        start = {
            "token": token,
            "name": name,
            "command": command,
            "environment": environment,
            "result_uri": f"s3://results/{self.prefix}{token}",
            "log_group": GROUP,
            "log_stream": f"{self.prefix}{name}",
            "stop_seconds": stop_seconds,
        }
        self.post(start=start)
        return token

    def stop(self, token: str, reason: str = "cleared") -> None:
        self.post(stop={"token": token, "result_uri": f"s3://results/{self.prefix}{token}", "reason": reason})

    def report(self, token: str, seconds: float = SECONDS) -> dict[str, Any]:
        s3, deadline = client("s3", self.variables), time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found: dict[str, Any] = json.loads(
                    s3.get_object(Bucket="results", Key=self.prefix + token)["Body"].read()
                )
                return found
            except s3.exceptions.NoSuchKey:
                time.sleep(0.05)
        raise AssertionError(f"no report of {token}")

    def log(self, name: str) -> list[str]:
        events = client("logs", self.variables).get_log_events(
            logGroupName=GROUP, logStreamName=f"{self.prefix}{name}", startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def end(self, seconds: float = SECONDS) -> int:
        return self.process.wait(seconds)


@pytest.fixture
def containers(aws: dict[str, str]) -> Iterator[Any]:
    made: list[Container] = []

    def make(**settings: Any) -> Container:
        made.append(Container(aws, **settings))
        return made[-1]

    yield make
    for container in made:
        with container.process:
            container.process.kill()


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def python(code: str) -> tuple[str, str, str]:
    return (sys.executable, "-c", code)


def test_each_step_has_a_process_a_log_a_result_and_measures_of_its_own(containers: Any) -> None:
    container = containers()
    code = "from datavision_runtime import write_result; print('{0}'); write_result({{'step': '{0}'}})"
    tokens = {name: container.start(name, *python(code.format(name))) for name in ("uno", "dos")}
    for name, token in tokens.items():
        report = container.report(token)
        assert (report["exit_code"], report["result"]) == (0, {"step": name})
        assert report["peak_memory_bytes"] > 2**20
        assert report["cpu_seconds"] > 0
        assert report["started_at"] < report["finished_at"]
        assert container.log(name) == [name]


def test_steps_run_side_by_side(containers: Any) -> None:
    container = containers()
    began = time.monotonic()
    tokens = [container.start(f"paso{n}", "sleep", "2") for n in range(4)]
    assert [container.report(token)["exit_code"] for token in tokens] == [0] * 4
    assert time.monotonic() - began < 7


@pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_a_steps_exit_code_is_its_commands_own(containers: Any, command: str, code: int) -> None:
    container = containers()
    assert container.report(container.start("paso", "sh", "-c", command))["exit_code"] == code


def test_a_command_that_does_not_exist_is_a_usage_error(containers: Any) -> None:
    container = containers()
    assert container.report(container.start("paso", "no-such-command"))["exit_code"] == 2
    assert "cannot start 'no-such-command'" in container.log("paso")[-1]


def test_a_step_that_is_sent_again_runs_once(containers: Any, tmp_path: Path) -> None:
    container = containers()
    token = container.start("paso", "sh", "-c", f"echo x >> {tmp_path}/times; sleep 1")
    container.start("paso", "sh", "-c", f"echo x >> {tmp_path}/times; sleep 1", token=token)
    container.report(token)
    container.start("paso", "sh", "-c", f"echo x >> {tmp_path}/times; sleep 1", token=token)
    container.report(container.start("otro", "true"))
    assert (tmp_path / "times").read_text() == "x\n"


def test_stopping_a_step_ends_it_and_what_it_started_and_no_other(containers: Any, tmp_path: Path) -> None:
    container = containers()
    stubborn = container.start(
        "terco", "sh", "-c", f"trap '' TERM; sleep 300 & echo $! > {tmp_path}/pid; wait; sleep 300"
    )
    other = container.start("otro", "sleep", "4")
    deadline = time.monotonic() + SECONDS
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    container.stop(stubborn, "cleared")
    report = container.report(stubborn)
    assert (report["exit_code"], report["ended_by"]) == (137, "cleared")
    assert has_ended(int((tmp_path / "pid").read_text()))
    assert container.report(other)["exit_code"] == 0


def test_a_step_that_is_stopped_before_it_was_started_never_runs(containers: Any, tmp_path: Path) -> None:
    container = containers()
    container.stop("tarde")
    assert container.report("tarde")["exit_code"] == 143
    container.start("tarde", "touch", str(tmp_path / "ran"), token="tarde")
    container.report(container.start("otro", "true"))
    assert not (tmp_path / "ran").exists()


def test_it_ends_once_its_last_steps_have_succeeded(containers: Any) -> None:
    container = containers(ends_after=("a", "b"))
    container.report(container.start("a", "true"))
    assert container.report(container.start("b", "false"))["exit_code"] == 1
    report = container.report(container.start("b", "true"))
    assert container.end() == 0
    assert report["billed_seconds"] > 50, "the last step pays what is left of Fargate's minute"


def test_it_ends_when_nothing_comes_and_says_so_in_its_inbox(containers: Any) -> None:
    container = containers(idle_seconds=1.0)
    assert container.end() == 0
    with pytest.raises(Exception, match="PreconditionFailed"):
        container.post()


def test_a_closed_container_runs_what_it_has_and_then_ends(containers: Any) -> None:
    container = containers()
    token = container.start("paso", "sleep", "2")
    container.post(closed=True)
    assert container.report(token)["exit_code"] == 0
    assert container.end() == 0


def test_stopping_the_container_reports_what_succeeds_in_time_and_leaves_the_rest_to_ecs(containers: Any) -> None:
    container = containers()
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({0})); "
        "print('up', flush=True); time.sleep(60)"
    )
    saved, lost = (container.start(name, *python(code.format(n))) for n, name in ((0, "salva"), (1, "pierde")))
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if container.log("salva") and container.log("pierde"):
                break
        except client("logs", container.variables).exceptions.ResourceNotFoundException:
            pass
        time.sleep(0.1)
    container.process.terminate()
    assert container.end() == 143
    assert container.report(saved)["exit_code"] == 0
    with pytest.raises(AssertionError, match="no report"):
        container.report(lost, seconds=0.5)


def test_the_step_that_needs_too_much_memory_is_named_and_the_others_go_on(containers: Any) -> None:
    container = containers(memory_mib=400)
    greedy = container.start("grande", *python("import time; b = b'x' * (500 << 20); time.sleep(30)"))
    other = container.start("otro", "sleep", "3")
    report = container.report(greedy)
    assert report["exit_code"] == 137
    assert report["ended_by"].startswith("OutOfMemoryError")
    assert container.report(other)["exit_code"] == 0


def test_serving_needs_settings_that_can_be_read(aws: dict[str, str]) -> None:
    done = subprocess.run(
        RUN, env={**os.environ, **aws, "DATAVISION_SHARED": "{}"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "datavision-run: DATAVISION_SHARED cannot be used (KeyError('uri')). "
        "Unset it to run a command: only the DAG's session sets it."
    ]
