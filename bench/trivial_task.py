"""A task that does nothing, queued in Airflow to success: the stock operator, ours, and a step of a warm container.

    PYTHONPATH=bench python bench/trivial_task.py --runs 20

A whole local Airflow on the embedded cloud, whose containers start at once: what is measured is what the operators and
Airflow add. The stock operator is there waiting in its worker and deferred, at its defaults. The warm step is the
second of two tasks that share a container. One run at a time, the DAGs in turn. The first queued moment counts: a
deferred task is queued again when its trigger has fired.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airflow_rig import Rig, rig
from measured import machine, say

from datavision.airflow_api import FINISHED

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "trivial_task.json"
HEAD = """
from datetime import datetime, timedelta
from pathlib import Path
from airflow.sdk import dag, task

@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, params={{"release": None}})
def {name}():
"""
STOCK = """
    from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
    from datavision.aws import Cloud
    from datavision.config import load
    from datavision.fargate.launching.network import network
    from datavision.fargate.operator.operator import pinned_image
    config = load()
    EcsRunTaskOperator(
        task_id="nada", cluster=config.ecs.cluster, launch_type="FARGATE",
        task_definition=pinned_image(Path(__file__).parent, "{name}", "ingesta")["task_definition"],
        overrides={{"containerOverrides": [{{"name": "ingesta", "command": ["true"]}}]}},
        network_configuration={{"awsvpcConfiguration": {{
            "subnets": list(network(Cloud.of(config), config.ecs).subnets), "assignPublicIp": "ENABLED"}}}},
        deferrable={deferrable}, aws_conn_id=None, region_name=config.aws.region,
    )
"""
OURS = """
    @task.fargate(module="ingesta", cpu=256, memory=512)
    def nada() -> list[str]:
        return ["true"]

    nada()
"""
WARM = """
    from datavision.fargate import fargate_session
    with fargate_session(module="ingesta", cpu=256, memory=512, idle=timedelta(seconds=30)):
        @task.fargate()
        def antes() -> list[str]:
            return ["true"]

        @task.fargate()
        def nada() -> list[str]:
            return ["true"]

        antes() >> nada()
"""
WAYS = {
    "stock, in the worker": ("trivial_worker", STOCK, "False"),
    "stock, deferred": ("trivial_deferred", STOCK, "True"),
    "ours": ("trivial_ours", OURS, ""),
    "warm step": ("trivial_warm", WARM, ""),
}


def dags() -> dict[str, str]:
    """Return a DAG file for each way."""
    found = {}
    for name, body, deferrable in WAYS.values():
        filled = body.format(name=name, deferrable=deferrable) if body == STOCK else body
        found[name] = HEAD.format(name=name) + filled + f"\n{name}()\n"
    return found


def seconds_of(running: Rig, name: str, limit: float = 300.0) -> float:
    """Run a DAG to its end; return the seconds from first queued to success of its task `nada`."""
    queued: str | None = None
    deadline = time.monotonic() + limit
    with running.api() as api:
        run = api.trigger(name, {})
        while time.monotonic() < deadline:
            answer = api._call("GET", f"/api/v2/dags/{name}/dagRuns/{run}/taskInstances").json()
            (item,) = [found for found in answer["task_instances"] if found["task_id"] == "nada"]
            queued = queued or item["queued_when"]
            if queued and item["state"] in FINISHED:
                break
            time.sleep(0.1)
    if not queued or item["state"] != "success":
        sys.exit(f"{name} ended as {item['state']}")
    return (datetime.fromisoformat(item["end_date"]) - datetime.fromisoformat(queued)).total_seconds()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=20)
    chosen = options.parse_args()
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="datavision-trivial-") as folder, rig(Path(folder), dags()) as running:
        for way, (name, *_) in WAYS.items():
            say(f"{way}: {seconds_of(running, name):.1f} s, not counted")
        for number in range(chosen.runs):
            for way, (name, *_) in WAYS.items():
                taken[way].append(seconds_of(running, name))
                say(f"run {number + 1}: {way} {taken[way][-1]:.1f} s")
    RESULT.write_text(json.dumps(summary(taken), indent=1) + "\n")
    sys.stdout.write(RESULT.read_text())


def summary(taken: dict[str, list[float]]) -> dict[str, Any]:
    """Return the median and the 95th percentile of each way."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "airflow": version("apache-airflow"),
            "amazon provider": version("apache-airflow-providers-amazon"),
        },
        "load": round(os.getloadavg()[0], 1),
        "seconds": {
            way: {
                "p50": round(statistics.median(seconds), 2),
                "p95": round(statistics.quantiles(seconds, n=20, method="inclusive")[-1], 2),
            }
            for way, seconds in taken.items()
        },
        "runs": {way: [round(value, 2) for value in seconds] for way, seconds in taken.items()},
    }


if __name__ == "__main__":
    main()
