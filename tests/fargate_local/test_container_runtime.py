"""How a container started and ended, from what the engine says of it, or from its exit code alone."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest

from fargate_local.cloud.catalog import Catalog
from fargate_local.engine.storage import check_room
from fargate_local.process_environment import ProcessEnvironment
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import ContainerPlan
from fargate_local.runtimes.base import Ending, Exit, Image
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
    assert str(ending(monkeypatch, NEVER_STARTED, 127).never_ran).endswith("no such file")
    started = '{"StartedAt": "2026-11-26T02:00:00Z", "ExitCode": 127, "OOMKilled": false}'
    assert ending(monkeypatch, started, 127) == Ending(127)
    lost = '{"StartedAt": "2026-11-26T02:00:00Z", "ExitCode": 3, "OOMKilled": false}'
    assert ending(monkeypatch, lost, 125) == Ending(3)
    killed = '{"StartedAt": "2026-11-26T02:00:00Z", "ExitCode": 137, "OOMKilled": false}'
    assert ending(monkeypatch, killed, 137) == Ending(137, out_of_memory=True)


def test_a_command_that_succeeded_ran_whatever_the_engine_says_of_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ending(monkeypatch, NEVER_STARTED, 0) == Ending(0)


def pulled(patch: pytest.MonkeyPatch, *answers: str) -> tuple[list[float], str | None]:
    """(pauses, reason why the task did not start) of a pull that the engine answers so; an empty answer succeeds."""
    runtime = ContainerRuntime("podman", cast("Catalog", None), {}, "test", ProcessEnvironment.current())
    said, pauses = iter(answers), list[float]()
    here = False

    def run(*words: str, timeout: float = 0.0) -> "subprocess.CompletedProcess[str]":
        nonlocal here
        if words[0] == "pull":
            error = next(said)
            here = not error
            return subprocess.CompletedProcess(words, 125 if error else 0, "", error)
        return subprocess.CompletedProcess(words, 0 if here else 125, "{}" if here else "", "no such image")

    patch.setattr(runtime, "_run", run)
    patch.setattr("fargate_local.runtimes.containers.time.sleep", pauses.append)
    try:
        runtime.pull("us-east-1", "public.ecr.aws/module:1.0.0")
    except StartError as failure:
        return pauses, failure.reason
    return pauses, None


def test_a_pull_that_fails_is_tried_again_as_the_agent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = "Error: database is locked"
    assert pulled(monkeypatch, busy, busy, "") == ([0.25, 0.5], None)
    pauses, reason = pulled(monkeypatch, *[busy] * 5)
    assert pauses == [0.25, 0.5, 1, 2]
    assert str(reason).startswith("CannotPullContainerError: pull image manifest has been retried 5 time(s): ")
    assert str(reason).endswith("database is locked")


def test_an_image_that_no_registry_has_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, reason = pulled(monkeypatch, "Error: reading manifest 1.0.0: manifest unknown")
    assert pauses == []
    assert "has been retried 1 time(s)" in str(reason)


GIB = 1024**3


@pytest.mark.parametrize(
    ("storage", "images", "reason"),
    [
        (20, [("app", "a", 20)], None),
        (20, [("app", "a", 12), ("side", "a", 12)], None),
        (20, [("app", "a", 12), ("side", "b", 9)], "side"),
        (21, [("app", "a", 12), ("side", "b", 9)], None),
    ],
)
def test_images_have_to_fit_on_the_tasks_storage(
    storage: int, images: list[tuple[str, str, int]], reason: str | None
) -> None:
    found = [(name, Image("sha256:0", place, {}, size * GIB)) for name, place, size in images]
    if reason is None:
        check_room(storage * GIB, found)
        return
    with pytest.raises(StartError, match=r"CannotPullContainerError: .* no space left on device") as refused:
        check_room(storage * GIB, found)
    assert refused.value.container == reason


def test_an_image_takes_what_the_engine_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = ContainerRuntime("podman", cast("Catalog", None), {}, "test", ProcessEnvironment.current())
    answer = subprocess.CompletedProcess((), 0, '{"User": "me"}\n7000\n', "")
    monkeypatch.setattr(runtime, "_run", lambda *_, **__: answer)
    image = runtime.pull("us-east-1", "public.ecr.aws/module:1.0.0")
    assert (image.config, image.size) == ({"User": "me"}, 7000)


ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = f"sha256:{'1' * 64}"


class Images:
    """A catalog that knows one image, and a registry that has it or not."""

    host = "127.0.0.1:5555"

    def __init__(self, *, here: bool) -> None:
        self.here = here

    def image_digest(self, *_: Any) -> str:
        return DIGEST

    def image_bytes(self, *_: Any) -> int:
        return 0

    def has(self, *_: str) -> bool:
        return self.here

    def credentials(self, region: str) -> str:
        return f"secret of {region}"


def pull(patch: pytest.MonkeyPatch, engine: Any, *, here: bool = True, mapped: Any = None) -> tuple[list[str], Any]:
    """(the words of a pull from ECR, the file of credentials that it names)."""
    images = Images(here=here)
    process = ProcessEnvironment.current()
    runtime = ContainerRuntime(engine, cast("Catalog", images), mapped or {}, "test", process, None, images)
    asked: list[list[str]] = []
    kept: list[Any] = []

    def run(*words: str, timeout: float = 0.0) -> "subprocess.CompletedProcess[str]":
        if "pull" in words:
            asked.append(list(words))
            places = [Path(word, "config.json") if Path(word).is_dir() else Path(word) for word in words]
            kept.extend(
                (oct(each.stat().st_mode & 0o777), json.loads(each.read_text())) for each in places if each.is_file()
            )
        answer = "unix:///run/docker.sock" if words[0] == "context" else "{}"
        known = words[0] != "image" or bool(asked)
        return subprocess.CompletedProcess(words, 0 if known else 125, answer, "")

    patch.setattr(runtime, "_run", run)
    runtime.pull("us-east-1", f"{ECR}/module:1.0.0")
    return asked[0], kept[0] if kept else None


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("podman", ["pull", "--quiet", "--tls-verify=false", "--authfile"]),
        ("docker", ["--config", "--host", "unix:///run/docker.sock", "pull", "--quiet"]),
    ],
)
def test_what_this_server_has_is_pulled_from_it_with_credentials_that_no_argument_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, options: list[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words, kept = pull(monkeypatch, engine)
    place = next(word for word in words if word.startswith(str(tmp_path)))
    assert [word for word in words if word != place] == [*options, f"127.0.0.1:5555/module@{DIGEST}"]
    assert kept == ("0o600", {"auths": {"127.0.0.1:5555": {"auth": "secret of us-east-1"}}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("here", "mapped", "host"), [(False, {}, ECR), (True, {ECR: "127.0.0.1:5000"}, "127.0.0.1:5000")]
)
def test_a_record_without_layers_and_a_mapped_registry_are_pulled_from_where_they_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch, here: bool, mapped: dict[str, str], host: str
) -> None:
    assert pull(monkeypatch, "podman", here=here, mapped=mapped) == (
        ["pull", "--quiet", f"{host}/module@{DIGEST}"],
        None,
    )
