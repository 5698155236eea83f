"""Two releases, a run in flight, a rollback and the way forward again, with a real Airflow on a git bundle."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.sync_api import Browser, Page, sync_playwright

from datavision.local.airflow import password_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

DATAVISION = Path(sys.executable).with_name("datavision")
RFM, DAILY = "pipeline_fact_rfm", "pipeline_suscripciones"
MODEL = "packages/transformacion/src/transformacion/dbt/models/marts/fact_rfm.sql"
SETTINGS = "packages/ingesta/src/ingesta/settings.py"
DATE = "2026-06-30"
BROWSER = shutil.which("chromium")


@dataclass
class Platform:
    """A clone of the repository with the whole stack running on it."""

    path: Path
    env: dict[str, str]

    def call(self, *arguments: str) -> str:
        done = subprocess.run(
            [DATAVISION, *arguments],
            cwd=self.path,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def release(self) -> dict[str, Any]:
        released: dict[str, Any] = json.loads(self.call("release", "--env", "local", "--json"))
        return released

    def run(self, pipeline: str, *arguments: str) -> dict[str, Any]:
        outcome: dict[str, Any] = json.loads(self.call("run", pipeline, "--env", "local", "--json", *arguments))[0]
        return outcome

    def rfm(self) -> tuple[dict[str, set[str]], int]:
        """Run the RFM pipeline; the digests that ran, by module, and what it calculated."""
        outcome = self.run(RFM, "--param", f"fecha_rfm={DATE}")
        query = f"select min(frecuencia_total) as least from lake.marts.fact_rfm where id_dim_fecha_rfm = date '{DATE}'"
        (row,) = json.loads(self.call("sql", query, "--format", "json"))
        return digests(outcome), row["least"]

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.path / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        (self.path / path).write_text(text.replace(old, new))


def digests(outcome: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for task in outcome["tasks"]:
        for launch in task["launches"]:
            found.setdefault(launch["module"], set()).add(launch["reported_digest"])
    return found


STACK = """
import signal, sys
from datavision.local.stack import local_stack
with local_stack(lambda text: print(text, flush=True)):
    signal.pause()
"""
"""As `datavision up`, but DAGs run only when triggered."""


def start(path: Path, env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as output:
        stack = subprocess.Popen([sys.executable, "-c", STACK], cwd=path, env=env, stdout=output, stderr=output)
    deadline = time.monotonic() + 900
    while not (Path(env["DATAVISION_STATE_DIR"]) / "stack.json").exists():
        assert stack.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)
    return stack


S3 = {f"DATAVISION_STORAGE__{what}_PATH": f"s3://datavision-local-{where}/data" for what, where in (
    ("LANDING", "raw"), ("LAKEHOUSE", "lakehouse"), ("REPORTS", "reports")
)}  # fmt: skip


PROCESSES = pytest.mark.parametrize("engine", ["process"], indirect=True, scope="module")
CONTAINERS = pytest.mark.parametrize(
    "engine", [pytest.param("podman", marks=pytest.mark.containers)], indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that choose how images are built and run."""
    if request.param == "process":
        return {}
    base: str = request.getfixturevalue("base_image")
    return {**S3, "DATAVISION_IMAGES__ENGINE": "podman", "DATAVISION_IMAGES__BASE_IMAGE": base}


@pytest.fixture(scope="module")
def platform(origin: Path, engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("back-and-forth")
    path = folder / "project"
    subprocess.run(["git", "clone", "--quiet", str(origin), str(path)], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAVISION_")}
    env = {**kept, **engine, "DATAVISION_STATE_DIR": str(folder / "state"), "NO_COLOR": "1"}
    found = Platform(path, env)
    found.call("source", "load", "--accounts", "2000", "--seed", "7")
    stack = start(path, env, folder / "stack.log")
    try:
        yield found
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(120)


@PROCESSES
def test_a_rollback_brings_back_image_and_result_and_leaves_the_other_pipeline(platform: Platform) -> None:
    first = platform.release()
    daily_on_first = platform.run(DAILY)
    rfm_on_first, result_of_first = platform.rfm()

    platform.change(MODEL, "segmentos.frecuencia_total,", "segmentos.frecuencia_total + 1000 as frecuencia_total,")
    platform.change(SETTINGS, "lag_days: int = Field(default=7", "lag_days: int = Field(default=8")
    with subprocess.Popen(
        [DATAVISION, "run", DAILY, "--env", "local", "--json"],
        cwd=platform.path,
        env=platform.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as in_flight:
        assert in_flight.stderr is not None
        for line in in_flight.stderr:
            if ".ingesta: success" in line:
                break
        second = platform.release()
        platform.call("rollback", RFM, "--to", first["version"], "--env", "local", "--reason", "probe")
        stdout, _ = in_flight.communicate(timeout=1200)
    assert second["built"] == ["ingesta", "transformacion"]
    of_first = {module: {image["digest"]} for module, image in first["images"].items()}
    of_second = {module: {image["digest"]} for module, image in second["images"].items()}

    (outcome,) = json.loads(stdout)
    assert outcome["state"] == "success"
    assert digests(outcome) == digests(daily_on_first) == of_first

    rfm_back, result_back = platform.rfm()
    assert rfm_back == rfm_on_first == {"transformacion": of_first["transformacion"]}
    assert result_back == result_of_first
    assert digests(platform.run(DAILY)) == of_second

    platform.call("rollback", RFM, "--to", second["version"], "--env", "local", "--reason", "forward")
    rfm_forward, result_forward = platform.rfm()
    assert rfm_forward == {"transformacion": of_second["transformacion"]}
    assert result_forward == result_of_first + 1000

    entries = json.loads(platform.call("history", RFM, "--env", "local", "--json"))
    assert [entry["version"] for entry in entries[:3]] == [second["version"], first["version"], second["version"]]
    assert entries[0]["runs"] == 1
    assert entries[1]["runs"] == 2
    assert platform.call("pins", "--env", "local", "--json")


@CONTAINERS
def test_a_rollback_brings_back_the_container_that_ran_before(platform: Platform) -> None:
    """The same way there and back in few containers, for each takes its seconds to start here."""
    first = platform.release()
    of_first = {module: {image["digest"]} for module, image in first["images"].items()}
    assert digests(platform.run(DAILY)) == of_first
    platform.change(MODEL, "segmentos.frecuencia_total,", "segmentos.frecuencia_total + 1000 as frecuencia_total,")
    second = platform.release()
    assert second["built"] == ["transformacion"]
    digests_of_second, result_of_second = platform.rfm()
    assert digests_of_second == {"transformacion": {second["images"]["transformacion"]["digest"]}}

    platform.call("rollback", RFM, "--to", first["version"], "--env", "local", "--reason", "probe")
    digests_back, result_back = platform.rfm()
    assert digests_back == {"transformacion": of_first["transformacion"]}
    assert result_back == result_of_second - 1000


@PROCESSES
def test_the_page_in_airflow_shows_it_and_goes_back_by_a_click(platform: Platform, tmp_path: Path) -> None:
    """Both themes, two widths, no violation that axe finds; the pictures are kept in the folder SCREENSHOTS."""
    now, before = (entry["version"] for entry in json.loads(platform.call("history", RFM, "--json"))[:2])
    with open_page(platform) as (browser, url, token):
        for width, theme in itertools.product((1280, 390), ("light", "dark")):
            context = browser.new_context(viewport={"width": width, "height": 900}, locale="es-AR")
            context.add_cookies([{"name": "_token", "value": token, "url": url}])
            context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
            page = context.new_page()
            page.set_default_timeout(60_000)
            look(page, f"{url}/plugin/datavision", f"pipelines-{width}-{theme}", tmp_path)
            assert page.get_by_role("article").count() == 3
            look(page, f"{url}/plugin/datavision/{RFM}", f"pipeline-{width}-{theme}", tmp_path)
            page.get_by_role("region", name="Ejecuciones").get_by_role("link").first.click()
            page.get_by_text("igual al fijado").first.wait_for()
            look(page, page.url, f"run-{width}-{theme}", tmp_path)
            context.close()
        context = browser.new_context(locale="es-AR")
        context.add_cookies([{"name": "_token", "value": token, "url": url}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{url}/dags/{RFM}/plugin/datavision-pipeline")
        page.get_by_role("button", name="Cambiar de versión").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("fact_rfm").first.wait_for()
        dialog.get_by_label("Motivo").fill("segmentos vacíos")
        dialog.get_by_role("button", name=f"Volver a {before}").click()
        dialog.get_by_text(f"{RFM} pasó de {now} a {before}").wait_for()
    (entry, *_) = json.loads(platform.call("history", RFM, "--env", "local", "--json"))
    assert (entry["version"], entry["reason"]) == (before, "segmentos vacíos")
    assert entry["pinned_by"] == "admin (Airflow)"


@contextlib.contextmanager
def open_page(platform: Platform) -> Iterator[tuple[Browser, str, str]]:
    """A browser, the address of Airflow, and the token of somebody who has signed in."""
    if BROWSER is None:
        pytest.skip("needs: apt-get install chromium")
    state = Path(platform.env["DATAVISION_STATE_DIR"])
    url = json.loads((state / "stack.json").read_text())["airflow_url"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        answer = playwright.request.new_context().post(
            f"{url}/auth/token", data={"username": "admin", "password": password_of(state)}
        )
        yield browser, url, answer.json()["access_token"]
        browser.close()


def look(page: Page, url: str, name: str, folder: Path) -> None:
    """Wait for a view to be whole, have axe look at it, and keep a picture."""
    page.goto(url)
    page.locator(".dv-page h1").first.wait_for()
    page.locator(".dv-page [role=status]").first.wait_for(state="detached")
    page.screenshot(path=Path(os.environ.get("SCREENSHOTS", folder)) / f"{name}.png")
    found = Axe().run(page, context=".dv-page")
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
