"""Who may call the page's routes: Airflow leaves the apps of plugins open to everybody."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from tests.support.children import bare_environment

from datavision.local.airflow import AirflowSettings, airflow_environment
from datavision.page.access import CHECKS, OPERATOR, SAME_ORIGIN
from datavision.page.app import app

ROUTES = [route for route in app.routes if isinstance(route, APIRoute)]
PASSWORDS = {"viewer": "viewer-secret", "op": "op-secret"}
ASK = """
import json, sys
from airflow.api_fastapi.app import create_app
from airflow.utils.db import initdb
from fastapi.testclient import TestClient

initdb()
client = TestClient(create_app(apps="core"), raise_server_exceptions=False)
passwords, requests = json.loads(sys.argv[1])
tokens = {"nobody": None}
for name, password in passwords.items():
    answer = client.post("/auth/token", json={"username": name, "password": password})
    tokens[name] = answer.json()["access_token"]
client.cookies.clear()
found = {}
for name, token in tokens.items():
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for method, path, more in requests:
        answer = client.request(method, path, json={"version": "1", "reason": "r"}, headers={**headers, **more})
        found[f"{name} {method} {path} {more.get('Origin', '')}".strip()] = answer.status_code
print(json.dumps(found))
"""


def dependencies(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from dependencies(each)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_asks_who_calls(route: APIRoute) -> None:
    asked = set(dependencies(route.dependant))
    assert asked & {check.dependency for check in CHECKS}
    if route.methods - {"GET", "HEAD"}:
        assert {SAME_ORIGIN.dependency, OPERATOR.dependency} <= asked


def test_there_is_no_other_way_in() -> None:
    assert [route for route in app.routes if not isinstance(route, APIRoute)] == []
    assert len(ROUTES) > 10


def test_nobody_a_viewer_and_an_operator_are_told_apart_by_airflow_itself(tmp_path: Path, repository: Path) -> None:
    settings = AirflowSettings(tmp_path, f"sqlite:///{tmp_path}/airflow.db", tmp_path / "bundle", scheduled=False)
    environment = bare_environment(HOME=str(tmp_path), **airflow_environment(settings, port=8080))
    environment |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "viewer:viewer,op:op",
        "DATAVISION_CONFIG_DIR": str(repository / "config"),
        "DATAVISION_STATE_DIR": str(tmp_path),
        "DATAVISION_ENV": "local",
    }
    Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).write_text(json.dumps(PASSWORDS))
    requests: list[tuple[str, str, dict[str, str]]] = []
    for route in ROUTES:
        path = "/datavision" + route.path.replace("{name}", "page.mjs").replace("{dag_id}", "pipeline_x")
        path = path.replace("{run_id:path}", "r").replace("{task_id}", "t")
        requests += [(method, path, {}) for method in sorted(route.methods)]
    foreign = ("POST", "/datavision/rollback/pipeline_x", {"Origin": "https://elsewhere.example"})
    asked = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps([PASSWORDS, [*requests, foreign]])],
        env=environment,
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    found = json.loads(asked.stdout.splitlines()[-1])
    assert {code for request, code in found.items() if request.startswith("nobody GET")} == {401}
    assert {code for request, code in found.items() if request.startswith("nobody POST")} <= {401, 403}
    changing = {f"{method} {path}" for method, path, _ in requests if "/rollback" in path or "/release" in path}
    refused = {request for request, code in found.items() if request.startswith("viewer ") and code in (401, 403)}
    assert refused == {f"viewer {request}" for request in changing} | {
        "viewer POST /datavision/rollback/pipeline_x https://elsewhere.example"
    }
    assert {request for request, code in found.items() if request.startswith("op ") and code in (401, 403)} == {
        "op POST /datavision/rollback/pipeline_x https://elsewhere.example"
    }
    assert found["viewer GET /datavision/static/page.mjs"] == found["op GET /datavision/pipelines"] == 200
