"""The DataVision page's answers with 10,000 runs and 500 releases of a pipeline: milliseconds and bytes of each.

    PYTHONPATH=. python bench/page.py --runs 10000 --releases 500

A whole local stack: Airflow's API server on PostgreSQL, the embedded S3. Runs are written into Airflow's database,
releases are commits of the pin, and the runs that the page shows have an audit record for each of seven tasks. "first"
is the first request after all that was written, "median" and "max" those of twenty more.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from tests.support.audits import audit

from datavision.airflow_api import USER
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import write_audit
from datavision.local.postgres import EmbeddedPostgres
from datavision.local.stack import local_stack
from datavision.pins import parse_pin
from datavision.release.pins.git import PinRepository
from datavision.release.pins.places import path_in_repository, repository
from datavision.release.pins.store import PinChange, commit_pins
from datavision.state import project_root

PIPELINE = "pipeline_suscripciones"
TASKS = ("ingesta", "fuentes", "frescura", "staging", "snapshots", "marts", "reporte")
SHOWN = 40
REPEATS = 20
COMMITS = 50
"""Of this repository, that the releases come from in turn."""
INSERT = """
insert into dag_run (dag_id, run_id, run_type, run_after, queued_at, start_date, end_date, logical_date, state,
                     clear_number, bundle_version, creating_job_id, conf)
select %(dag)s, 'scheduled__' || n, 'scheduled', at, at, at, at + interval '5 minutes', at, 'success',
       0, %(commit)s, 1, '{}'
from (select n, now() - n * interval '1 hour' as at from generate_series(1, %(runs)s) as n) as runs
"""


def fill(config: Config, database: str, runs: int, releases: int) -> None:
    """Write the releases, the runs, and the records of those that are shown."""
    pins, project = repository(config), PinRepository.of_project(project_root())
    commits = project.git("rev-list", f"--max-count={COMMITS}", "HEAD").split()
    for number in range(releases):
        release(pins, config, f"1.{number}.0", commits[-number % len(commits)])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(INSERT, {"dag": PIPELINE, "runs": runs, "commit": pins.head()})
        connection.execute("analyze dag_run")
    for number in range(1, SHOWN + 1):
        at = datetime.now(UTC) - timedelta(hours=number)
        for task in TASKS:
            about = {"task_id": task, "seconds": 60.0, "cost_usd": 0.001, "measured": {"peak_memory_bytes": 2**28}}
            result = {"rows": {f"tabla_{index}": 1000 for index in range(9)}}
            about |= {"env": "local", "result": result, "started_at": at.timestamp(), "stopped_at": at.timestamp() + 60}
            record = audit(PIPELINE, f"scheduled__{number}", day_of(at), at.timestamp(), **about)
            write_audit(Cloud.of(config), config.storage.audit_bucket, record)


def release(pins: PinRepository, config: Config, version: str, commit: str) -> None:
    """Commit one more version of the pin, built from a commit of this repository."""
    path = path_in_repository(config.env, PIPELINE)
    pin = parse_pin(str(pins.read(str(pins.head()), path)), path).model_copy(
        update={"version": version, "commit": commit}
    )
    commit_pins(pins, PinChange(config.env, {PIPELINE: pin}, f"Release {version}", "release", version))


def between(number: int) -> str:
    """Return the query for what a release changed."""
    return f"before=1.{number - 1}.0&after=1.{number}.0"


def measured(client: httpx.Client, path: str) -> dict[str, Any]:
    """Time one request, the first and twenty more."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        answer = client.get(path)
        seconds.append(time.perf_counter() - began)
        answer.raise_for_status()
    first, *more = (round(each * 1000, 1) for each in seconds)
    return {
        "first_ms": first,
        "median_ms": round(statistics.median(more), 1),
        "max_ms": max(more),
        "bytes": len(answer.content),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--releases", type=int, default=500)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["DATAVISION_STATE_DIR"] = folder
        with local_stack(lambda text: print(text, file=sys.stderr), release=True) as stack:
            database = EmbeddedPostgres(Path(folder) / "postgres").url("airflow")
            fill(stack.config, database, chosen.runs, chosen.releases)
            with httpx.Client(base_url=str(stack.airflow_url), timeout=60) as client:
                token = client.post("/auth/token", json={"username": USER, "password": stack.airflow_password})
                client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
                named = {
                    "module": "/datavision/static/page.mjs",
                    "pipelines": "/datavision/pipelines",
                    "pipeline": f"/datavision/pipelines/{PIPELINE}",
                    "summaries": f"/datavision/pipelines/{PIPELINE}/summaries?limit=30",
                    "run": f"/datavision/runs/{PIPELINE}/scheduled__1",
                    "task": f"/datavision/tasks/{PIPELINE}/ingesta",
                    "difference": f"/datavision/pipelines/{PIPELINE}/diff?{between(chosen.releases - 1)}",
                    "old difference": f"/datavision/pipelines/{PIPELINE}/diff?{between(1)}",
                }
                found = {name: measured(client, path) for name, path in named.items()}
    print(json.dumps({"runs": chosen.runs, "releases": chosen.releases, "requests": found}, indent=1))


if __name__ == "__main__":
    main()
