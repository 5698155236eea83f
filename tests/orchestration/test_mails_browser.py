"""Every mail in a real browser: light and dark, as wide as a phone and as a desk."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.sync_api import Browser, sync_playwright

from datavision.alerts.delays import Slow, Stale
from datavision.alerts.incidents import Incident
from datavision.alerts.message import (
    Before,
    Failure,
    Message,
    budget_message,
    failure_message,
    late_message,
    missing_message,
    recovery_message,
    sample_message,
    slow_message,
    stale_message,
    started_again_message,
)
from datavision.fargate.outcome.errors import FailedCheck

BROWSER = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs: apt-get install chromium"),
]
PIPELINE, RUN = "pipeline_suscripciones", "scheduled__2026-11-23T12:00:00+00:00"
NOW, BEFORE = datetime(2026, 11, 23, 12, 20, tzinfo=UTC), datetime(2026, 11, 22, 12, 14, tzinfo=UTC)
URL = "https://airflow.datavision.example"
INCIDENT = Incident(pipeline=PIPELINE, task_id="ingesta", run_id=RUN, cause="data quality gate", since=NOW, told=NOW)
FAILURE = Failure(
    "prod",
    INCIDENT,
    4,
    URL,
    release="1.10.0",
    reason="ResourceInitializationError: unable to pull secrets or registry auth: context deadline exceeded",
    checks=(
        FailedCheck(
            "account_subscriptions: orphans", "3 rows without their parent (account_id → accounts)", 3, ("17",)
        ),
    )
    * 3,
    log_lines=(*(f"2026-11-23 12:1{n}: accounts: {n}00,000 rows" for n in range(8)), "x" * 200),
    before=Before(BEFORE, "1.9.2"),
)
SUMS = {PIPELINE: 31.5, "pipeline_fact_rfm": 9.25}
MAILS: dict[str, Message] = {
    "failure": failure_message(FAILURE),
    "recovery": recovery_message("prod", INCIDENT, RUN, NOW, URL),
    "late": late_message("prod", {"dag_id": PIPELINE, "run_id": RUN}, "10:00", URL),
    "missing": missing_message("prod", PIPELINE, NOW, NOW, date(2026, 11, 22), URL),
    "started-again": started_again_message("prod", PIPELINE, BEFORE, NOW, URL),
    "slow": slow_message("prod", Slow(PIPELINE, RUN, "marts", 5_100, 1_200, 10), URL),
    "stale": stale_message("prod", Stale(PIPELINE, RUN, BEFORE, "accounts"), URL),
    "budget": budget_message("prod", NOW.date(), 40.75, 50.0, SUMS, URL),
    "sample": sample_message("prod", "ana.maria.fernandez"),
}
BACKGROUNDS: dict[Any, str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 32, 39)"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


def test_every_mail_that_can_be_written_is_looked_at() -> None:
    from datavision.alerts import message

    written = {name for name in vars(message) if name.endswith("_message")}
    assert written <= set(globals())
    assert len(written) == len(MAILS)


@pytest.mark.parametrize("width", [360, 900])
@pytest.mark.parametrize("theme", BACKGROUNDS)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_readable(name: str, theme: Any, width: int, browser: Browser, tmp_path_factory: Any) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path_factory.getbasetemp()))
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=theme, locale="es-AR")
    try:
        page = context.new_page()
        page.set_content(MAILS[name].html)
        page.screenshot(path=folder / f"mail-{name}-{theme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing to scroll sideways"
        assert page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor") == BACKGROUNDS[theme]
        violations = Axe().run(page).response["violations"]
        assert [(found["id"], [node["html"] for node in found["nodes"]]) for found in violations] == []
    finally:
        context.close()
