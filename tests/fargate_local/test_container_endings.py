"""How a container ended, from what the engine says of it, and from its exit code when the engine does not answer."""

import subprocess
from typing import cast

import pytest

from fargate_local.cloud.catalog import Catalog
from fargate_local.process_environment import ProcessEnvironment
from fargate_local.protocol.plan import ContainerPlan
from fargate_local.runtimes.base import Ending, Exit
from fargate_local.runtimes.containers import ContainerRuntime

CONTAINER = ContainerPlan("app", "image", command=("ingesta", "doctor"))
NEVER_STARTED = '{"StartedAt": "0001-01-01T00:00:00Z", "ExitCode": 0, "Error": "no such file"}'


def ending(patch: pytest.MonkeyPatch, inspected: str | None, code: int) -> Ending:
    """The ending of a container, which the engine describes so, or does not answer about."""
    runtime = ContainerRuntime("podman", cast("Catalog", None), {}, "test", ProcessEnvironment.current())

    def run(*words: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
        answered = words[0] == "container" and inspected is not None
        return subprocess.CompletedProcess(words, 0 if answered else 125, inspected if answered else "", "")

    patch.setattr(runtime, "_run", run)
    return runtime.judge("id", CONTAINER, Exit(code, out_of_memory=False), asked_to_stop=False)


@pytest.mark.parametrize("code", [0, 3])
def test_a_container_that_the_engine_forgot_ended_as_its_command_did(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    assert ending(monkeypatch, None, code) == Ending(code)


@pytest.mark.parametrize("code", [125, 126, 127])
def test_a_command_that_the_engine_could_not_start_never_ran(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert 'podman could not run "ingesta"' in str(ending(monkeypatch, None, code).never_ran)


def test_the_engines_own_word_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(ending(monkeypatch, NEVER_STARTED, 0).never_ran).endswith("no such file")
    started = '{"StartedAt": "2026-11-26T02:00:00Z", "ExitCode": 127, "OOMKilled": false}'
    assert ending(monkeypatch, started, 127) == Ending(127)
    killed = '{"StartedAt": "2026-11-26T02:00:00Z", "ExitCode": 137, "OOMKilled": false}'
    assert ending(monkeypatch, killed, 137) == Ending(137, out_of_memory=True)
