"""Nonsense wherever a user or a broken disk can put it: each command answers with a sentence and the next step.

Arguments, configuration keys and variables are discovered from the commands, the models and the sources, so that a new
one is tried without anybody thinking of it. Commands run in this process; no stack, PostgreSQL or network is used.
"""

import fcntl
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import tomli_w
import typer
from pydantic import BaseModel

import datavision.cli.app as datavision_cli
import fargate_local.cli as fargate_cli
import ingesta.cli as ingesta_cli
import transformacion.cli as transformacion_cli
from datavision import aws
from datavision import config as configuration
from datavision.config import Config
from datavision.images.process import ProcessBuilder
from datavision.local import stack as local_stack_module
from datavision.local.airflow import AirflowSettings, airflow_environment, is_migrated
from datavision.local.postgres import EmbeddedPostgres
from datavision.release.local import bundle_is_ready
from datavision.state import state_dir
from datavision_runtime import main as runtime_cli
from fargate_local import ServerKey

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINE = "pipeline_fact_rfm"
NOBODY = "http://127.0.0.1:1"
"""Where no server listens: a call there is refused at once."""
DATABASE = "postgresql://nobody:secret@127.0.0.1:1/nothing"
CHANCE = random.Random(9)
GARBAGE = tuple(
    # Printable and unprintable, but without NUL, which neither arguments nor variables can hold.
    "".join(chr(CHANCE.choice((*range(1, 0x250), *range(0x1F600, 0x1F640)))) for _ in range(CHANCE.randint(3, 20)))
    for _ in range(40)
)
NEXT_STEP = re.compile(
    # An imperative where a sentence or a clause begins; elsewhere "name", "set" or "run" may be anything.
    r"(?:^|\t|[.:;] |[,(] ?|\b(?:and|or|then|please) )"
    r"(?:add|allow|ask|check|choose|copy|correct|create|fix|free|give|grant|install|look|make|name|pass|put|release|remove|restore|run|"
    r"say|see|set|sign|start|stop|take|try|unset|use|write)\b"
    # click's words, which name the option and what is wrong with it.
    r"|Option '.+' does not take a value",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    said: str


Invoke = Callable[..., Outcome]


PROGRAMS: dict[str, Callable[[], object]] = {
    "datavision": datavision_cli.main,
    "fargate-local": fargate_cli.main,
    "datavision-run": runtime_cli.main,
    "ingesta": ingesta_cli.main,
    "transformacion": transformacion_cli.main,
}
APPS = {
    "datavision": datavision_cli.app,
    "fargate-local": fargate_cli.app,
    "ingesta": ingesta_cli.app,
    "transformacion": transformacion_cli.app,
}


@contextmanager
def _no_stack(report: object, **_: object) -> Iterator[object]:
    """Read what a start of the local stack reads of its folder, and start nothing."""
    state = state_dir()
    state.mkdir(parents=True, exist_ok=True)
    configuration.load("local")
    ServerKey.kept_in(state / "cloud")
    settings = AirflowSettings(state, DATABASE, state / "dags.git", scheduled=False)
    airflow_environment(settings, 1)
    is_migrated(settings)
    bundle_is_ready(state)
    ProcessBuilder(Path.cwd(), state, SimpleNamespace()).tidy(0)  # type: ignore[arg-type] # it uses no registry
    raise local_stack_module.StackError("The stack is not started here. Use the one that runs.")
    yield  # makes this a generator


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what commands read of the repository, as the working directory, with no server in reach."""
    project = tmp_path / "project"
    shutil.copytree(REPOSITORY / "config", project / "config")
    (project / "dags").mkdir()
    for dag in (REPOSITORY / "dags").glob("pipeline_*.py"):
        shutil.copy(dag, project / "dags")
    monkeypatch.chdir(project)
    monkeypatch.setattr(local_stack_module, "local_stack", _no_stack)
    monkeypatch.setattr(
        EmbeddedPostgres,
        "_pg",
        lambda _, command: subprocess.CompletedProcess(command, 0, stderr="nothing was started"),
    )
    aws._account.cache_clear()
    aws.forget_clients()
    configuration._load.cache_clear()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ENDPOINT_URL": NOBODY,
        "FARGATE_LOCAL_URL": NOBODY,
        "XDG_STATE_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path),
        "DATAVISION_ENV": "local",
        "DATAVISION_AWS__ENDPOINT_URL": NOBODY,
        "DATAVISION_SOURCE__URL": DATABASE,
        "DATAVISION_LAKEHOUSE__CATALOG_URL": DATABASE,
        "DATAVISION_LAKEHOUSE__DATA_PATH": str(tmp_path / "lakehouse"),
        "DATAVISION_LANDING__PATH": str(tmp_path / "landing"),
        "DATAVISION_REPORTS__PATH": str(tmp_path / "reports"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATAVISION_TRACEBACK", raising=False)
    return project


@pytest.fixture
def invoke(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Run a program as its console script does, and look at how it ended."""
    import signal

    monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)

    def run(program: str, *arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        capfd.readouterr()
        try:
            code = PROGRAMS[program]()
        except SystemExit as end:
            code = end.code
        # Whatever else gets out of a console script is printed by Python with a traceback: here it fails the test.
        out, err = capfd.readouterr()
        outcome = Outcome(int(str(code or 0)), out + err)
        _judge(outcome, " ".join((program, *arguments)))
        return outcome

    return run


def _judge(outcome: Outcome, what: str) -> None:
    case = f"{what!r} ended with {outcome.code} and said:\n{outcome.said}"
    assert outcome.code in (0, 1, 2, 3), case
    assert "Traceback" not in outcome.said, case
    assert "Unexpected " not in outcome.said, case
    if outcome.code:
        lines = [line for line in outcome.said.splitlines() if line.strip()]
        assert lines, case
        usage = "usage:" in outcome.said.lower()
        assert usage or NEXT_STEP.search(lines[-1]), case


# --- Arguments


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command.load() if hasattr(command, "load") else command
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in sorted(command.commands.items()):
        yield from _leaves(below, (*path, name))


@dataclass(frozen=True)
class Call:
    """A command line with nonsense in one place."""

    program: str
    arguments: tuple[str, ...]


def _required(command: Any, but: Any = None) -> list[str]:
    """Values for all that a command requires, `but` for one parameter."""
    given: list[str] = []
    for parameter in command.params:
        if parameter.required and parameter is not but:
            kind = parameter.type_descriptor.annotation
            if get_origin(kind) is Literal:
                value = get_args(kind)[0]
            else:
                value = next(iter(kind)).value if isinstance(kind, type) and issubclass(kind, Enum) else "7"
            given += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return given


def _calls() -> Iterator[Call]:
    garbage = _endless_garbage()
    for program, app in APPS.items():
        yield Call(program, (next(garbage).lstrip("-"),))
        for path, command in _leaves(typer.main.get_command(app)):
            # An address that is not this machine's, so that no server ever starts.
            fixed = ["--host", "192.0.2.1", "--port", "0"] if path == ("serve",) else []
            yield Call(program, (*path, *fixed, *_required(command), "--no-such-option"))
            for parameter in command.params:
                rest = [*fixed, *_required(command, parameter)]
                if parameter.name in ("help", "host") or getattr(parameter, "hidden", False):
                    continue
                if parameter.param_type_name == "argument":
                    yield Call(program, (*path, *rest, "--", next(garbage)))
                elif parameter.is_flag:
                    yield Call(program, (*path, *rest, f"{parameter.opts[0]}={next(garbage)}"))
                else:
                    yield Call(program, (*path, *rest, parameter.opts[0], next(garbage)))
    yield Call("ingesta", ())
    yield Call("ingesta", (next(garbage), "--env", "local"))
    yield Call("datavision-run", ())
    yield Call("datavision-run", ("",))
    yield Call("datavision-run", (next(garbage).replace("/", ""),))
    yield Call("datavision-run", ("/",))


def _endless_garbage() -> Iterator[str]:
    while True:
        yield from GARBAGE


def _name(call: Call) -> str:
    shown = " ".join(part if part.isascii() and part.isprintable() else "…" for part in call.arguments)
    return f"{call.program} {shown}"


@pytest.mark.filterwarnings(
    # cheroot leaves the socket that it could not bind to the garbage collector.
    "ignore:unclosed <socket:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
@pytest.mark.parametrize("call", list(_calls()), ids=_name)
def test_nonsense_as_an_argument(call: Call, invoke: Invoke) -> None:
    invoke(call.program, *call.arguments)


# --- Configuration


def _inner(annotation: Any) -> Any:
    """The type itself of `X | None` and `Annotated[X, …]`."""
    if get_origin(annotation) in (Union, UnionType):
        return _inner(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation


def _keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    examples = {"sizes": "small", "modules": "ingesta"}
    for name, field in model.model_fields.items():
        kind = _inner(field.annotation)
        here = (*path, name)
        if get_origin(kind) is dict and name in examples:
            here, kind = (*here, examples[name]), get_args(kind)[1]
        yield here
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, here)


KEYS = list(_keys(Config))


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_a_value_of_the_wrong_type_in_the_file(
    key: tuple[str, ...], project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATAVISION_" + "__".join(key).upper(), raising=False)  # it would win over the file
    path = project / "config" / "local.toml"
    values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    section = values
    for name in key[:-1]:
        section = section.setdefault(name, {})
    section[key[-1]] = [{"no": {"such": 7}}]
    path.write_text(tomli_w.dumps(values))
    outcome = invoke("datavision", "doctor")
    # The environment's name is the file's name and the caller's word, whatever else the file says.
    assert outcome.code == 2
    assert key == ("env",) or f"{path}: {'.'.join(key)}" in outcome.said, outcome.said


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_nonsense_in_the_variable_of_a_key(
    key: tuple[str, ...], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAVISION_" + "__".join(key).upper(), GARBAGE[KEYS.index(key) % len(GARBAGE)])
    invoke("datavision", "doctor", "--env", "dev")
    invoke("datavision", "history", PIPELINE)


@cache
def _variables() -> list[str]:
    sources = [*REPOSITORY.glob("packages/*/src/**/*.py"), *REPOSITORY.glob("packages/transformacion/**/*.sql")]
    named = {name for path in sources for name in re.findall(r"DATAVISION_[A-Z0-9_]+", path.read_text("utf-8"))}
    return sorted(name for name in named if not name.endswith("_") and name != "DATAVISION_TRACEBACK")


@pytest.mark.parametrize("name", _variables())
def test_nonsense_in_a_variable_that_the_sources_name(
    name: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, GARBAGE[_variables().index(name) % len(GARBAGE)])
    invoke("datavision", "doctor")
    invoke("ingesta", "doctor", "--env", "local")
    invoke("transformacion", "doctor")
    invoke("datavision-run", "true")


# --- The state folder


DAMAGES: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "truncated": b'{"url": "http://127.0',
    "garbage": bytes(CHANCE.choices(range(256), k=200)),
    "another JSON value": b"[]",
    "JSON without its keys": b"{}",
    "a folder": None,
}
STATE: dict[str, list[tuple[str, ...]]] = {
    "stack.json": [("datavision", "reap"), ("datavision", "clean")],
    "stack.lock": [("datavision", "reap"), ("datavision", "clean")],
    "cloud/key.json": [("datavision", "doctor"), ("datavision", "doctor", "--env", "dev")],
    "airflow/keys.json": [("datavision", "run", PIPELINE), ("datavision", "up")],
    "airflow/migrated": [("datavision", "up")],
    "airflow/passwords.json": [("datavision", "up")],
    "builds/0123456789abcdef": [("datavision", "image", "build")],
    "environments/0123456789abcdef": [("datavision", "image", "build")],
    "images": [("datavision", "image", "build")],
    "dags.git": [("datavision", "up"), ("datavision", "run", PIPELINE)],
    "dags.git/HEAD": [("datavision", "up"), ("datavision", "run", PIPELINE)],
    "postgres": [("datavision", "sql", "select 1"), ("datavision", "clean")],
    "postgres/port": [("datavision", "sql", "select 1")],
    "postgres/password": [("datavision", "sql", "select 1")],
    "postgres/data/PG_VERSION": [("datavision", "sql", "select 1")],
    "postgres/data/postmaster.pid": [("datavision", "sql", "select 1"), ("datavision", "clean")],
}
"""Each file that commands read there, and commands that read it."""


def _damage(path: Path, damage: str) -> None:
    if damage == "missing":
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    elif damage == "a folder":
        path.unlink(missing_ok=True)
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(DAMAGES[damage] or b"")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", STATE)
def test_a_damaged_file_of_the_state_folder(file: str, damage: str, project: Path, invoke: Invoke) -> None:
    state = project / ".datavision"
    for command in STATE[file]:
        shutil.rmtree(state, ignore_errors=True)
        path = state / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.startswith("postgres/"):
            _sound_postgres(state / "postgres", path)
        _damage(path, damage)
        # Only what a living stack has written is believed: somebody must hold its lock.
        with (state / "stack.lock").open("w") if file == "stack.json" else nullcontext() as lock:
            if lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
            invoke(*command)


def _sound_postgres(folder: Path, but: Path) -> None:
    for name, text in {"port": "1", "password": "secret", "data/PG_VERSION": "18", "data/postmaster.pid": ""}.items():
        if folder / name != but:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_key_of_a_fargate_local(damage: str, tmp_path: Path, invoke: Invoke) -> None:
    path = tmp_path / "xdg" / "fargate-local" / "1.json"
    path.parent.mkdir(parents=True)
    _damage(path, damage)
    invoke("fargate-local", "env")
    invoke("fargate-local", "ps")
    invoke("fargate-local", "faults", "list")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["config/local.toml", "config/dev.toml"])
def test_a_damaged_configuration_file(file: str, damage: str, project: Path, invoke: Invoke) -> None:
    _damage(project / file, damage)
    assert invoke("datavision", "history", PIPELINE, "--env", Path(file).stem).code == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pin(damage: str, project: Path, invoke: Invoke) -> None:
    pin = project / "dags" / "pins" / "dev" / f"{PIPELINE}.toml"
    pin.parent.mkdir(parents=True)
    _damage(pin, damage)
    who = ["-c", "user.name=Test", "-c", "user.email=test@datavision.example"]
    (project / "dags" / "README").touch()
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", "A pin"]):
        subprocess.run(["git", *arguments], cwd=project, check=True, env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1"})
    invoke("datavision", "history", PIPELINE, "--env", "dev")
    invoke("datavision", "rollback", PIPELINE, "--to", "1.0.0", "--env", "dev")
    invoke("datavision", "diff", PIPELINE, "1.0.0", "1.1.0", "--env", "dev")
    invoke("datavision", "promote", "--from", "dev", "--to", "prod")
