"""The local Airflow asks for a password, and what keeps it is its owner's alone."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.children import bare_environment

from datavision.local.airflow import AirflowSettings, airflow_environment, password_of
from datavision.local.private import write_private

ASK = """
import json, sys
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

client = TestClient(create_app(apps="core"))

def status(method, path, body=None):
    return client.request(method, path, json=body).status_code

print(json.dumps({
    "DAGs": status("GET", "/api/v2/dags"),
    "connections": status("GET", "/api/v2/connections"),
    "a run": status("POST", "/api/v2/dags/x/dagRuns", {"logical_date": None}),
    "a token without a password": status("GET", "/auth/token"),
    "a wrong password": status("POST", "/auth/token", {"username": "admin", "password": "admin"}),
    "the password": status("POST", "/auth/token", {"username": "admin", "password": sys.argv[1]}),
}))
"""


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def settings(state: Path) -> AirflowSettings:
    return AirflowSettings(state, f"sqlite:///{state}/airflow.db", state / "bundle", scheduled=False)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}


@pytest.mark.usefixtures("careless_umask")
def test_keys_and_passwords_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    airflow_environment(settings(tmp_path), port=0)
    assert modes(tmp_path / "airflow") == {"airflow": 0o700, "keys.json": 0o600, "passwords.json": 0o600, "run": 0o700}


@pytest.mark.usefixtures("careless_umask")
def test_a_file_that_everybody_could_read_is_its_owners_alone_once_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text("{}")
    path.chmod(0o666)
    with path.open() as held_open_by_somebody_else:
        assert write_private(path, "secret") == path
        assert held_open_by_somebody_else.read() == "{}"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("secret", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["stack.json"]


@pytest.mark.slow
def test_airflow_answers_nobody_without_the_password(tmp_path: Path) -> None:
    environment = bare_environment(HOME=str(tmp_path), **airflow_environment(settings(tmp_path), port=8080))
    asked = subprocess.run(
        [sys.executable, "-c", ASK, password_of(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert json.loads(asked.stdout.splitlines()[-1]) == {
        "DAGs": 401,
        "connections": 401,
        "a run": 401,
        "a token without a password": 403,
        "a wrong password": 401,
        "the password": 201,
    }
