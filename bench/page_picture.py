"""The picture of the DataVision page in the README: a fortnight of three pipelines, in headless chromium.

PYTHONPATH=. python bench/page_picture.py

A whole local stack; the runs are written into Airflow's database, what they did into the results bucket.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Browser, sync_playwright
from tests.support.audits import audit

from datavision.airflow_api import USER
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import write_audit
from datavision.local.postgres import EmbeddedPostgres
from datavision.local.stack import RunningStack, local_stack
from datavision.release.pins.places import repository

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "page.png"
MOST_BYTES = 100_000
DAYS = 14
TASKS = ("ingesta", "fuentes", "staging", "marts")
FAILED = {"name": "unique_stg_accounts_id_cuenta", "rows": 3, "sample": ["41", "97", "1204"]}
WARNED = {"name": "relationships_stg_contents_id_cuenta", "rows": 12, "sample": ["7", "8", "11", "15", "23"]}
RELEASED_BY = {"GIT_AUTHOR_NAME": "Ana Suárez", "GIT_AUTHOR_EMAIL": "ana@datavision.example"}
INSERT = """
insert into dag_run (dag_id, run_id, run_type, run_after, queued_at, start_date, end_date, logical_date, state,
                     clear_number, bundle_version, creating_job_id, conf)
values (%(dag)s, %(run)s, %(kind)s, %(at)s, %(at)s, %(at)s, %(end)s, %(at)s, %(state)s, 0, %(commit)s, 1, '{}')
"""


@dataclass(frozen=True)
class Day:
    """One run of one pipeline; `back` days ago."""

    pipeline: str
    back: int

    @property
    def failed(self) -> bool:
        return self.pipeline == "pipeline_suscripciones" and self.back == 5

    @property
    def seconds(self) -> float:
        """How long it took: a little longer every day, and less where it stopped early."""
        return 60.0 if self.failed else 240.0 + 10 * (DAYS - self.back) + 37 * (self.back % 3)

    @property
    def at(self) -> datetime:
        return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=self.back)


def fill(config: Config, database: str) -> None:
    """Write what ran."""
    commit = repository(config).head()
    days = [Day("pipeline_suscripciones", back) for back in range(1, DAYS + 1)]
    days += [Day("pipeline_fact_rfm", back) for back in range(1, DAYS + 1, 3)]
    with psycopg.connect(database, autocommit=True) as connection:
        for day in days:
            connection.execute(
                INSERT,
                {
                    "dag": day.pipeline,
                    "run": run_id(day),
                    "kind": "scheduled" if day.pipeline == "pipeline_suscripciones" else "manual",
                    "at": day.at,
                    "end": day.at + timedelta(seconds=day.seconds),
                    "state": "failed" if day.failed else "success",
                    "commit": commit,
                },
            )
    for day in days:
        write_records(config, day)


def run_id(day: Day) -> str:
    return f"scheduled__{day.at.isoformat()}"


def write_records(config: Config, day: Day) -> None:
    """Write the audit records of a run."""
    tasks = TASKS if day.pipeline == "pipeline_suscripciones" else ("fact_rfm",)
    for task in tasks[:3] if day.failed else tasks:
        result: dict[str, Any] = {"rows": {f"marts.{task}": 20_000}, "tests": 60}
        if task == "staging" and day.failed:
            result["tests_failed"] = [FAILED]
        if task == "staging" and day.back in (2, 5, 9):
            result["tests_warned"] = [WARNED]
        began = day.at.timestamp()
        about: dict[str, Any] = {
            "env": "local",
            "task_id": task,
            "module": "ingesta" if task == "ingesta" else "transformacion",
            "result": result,
            "seconds": day.seconds / len(tasks),
            "cost_usd": 0.00001 * day.seconds,
            "started_at": began,
            "stopped_at": began + day.seconds / len(tasks),
        }
        record = audit(day.pipeline, run_id(day), day_of(day.at), began, **about)
        write_audit(Cloud.of(config), config.storage.results_bucket, record)


@contextmanager
def filled() -> Iterator[RunningStack]:
    """A local stack with a fortnight in it, in a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ |= {"DATAVISION_STATE_DIR": folder, **RELEASED_BY}
        with local_stack(lambda text: print(text, file=sys.stderr), scheduled=True) as stack:
            fill(stack.config, EmbeddedPostgres(Path(folder) / "postgres").url("airflow"))
            yield stack


def show(browser: Browser, stack: RunningStack, path: str, picture: Path, width: int, height: int) -> None:
    """Keep a picture of one view, once it is whole."""
    url = str(stack.airflow_url)
    user = {"username": USER, "password": stack.airflow_password}
    token = httpx.post(f"{url}/auth/token", json=user, timeout=60).json()["access_token"]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="es-AR")
    context.add_cookies([{"name": "_token", "value": token, "url": url}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}{path}")
    page.get_by_text("Sin deriva").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=picture)
    context.close()


def main() -> None:
    """Write the picture; it ends with exit code 1 if that is too large for a README."""
    with filled() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        show(browser, stack, "/plugin/datavision", PICTURE, 1280, 410)
        browser.close()
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {size} bytes")
    sys.exit(size > MOST_BYTES)


if __name__ == "__main__":
    main()
