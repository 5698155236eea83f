"""kill -9 of Airflow's scheduler, workers and triggerer at random moments, over runs of several Fargate tasks.

    python bench/chaos.py --kills 200 --seed 1

Says at the end: containers launched for each task instance (one each is right), containers left running, and how every
run ended. Also loses answers of RunTask, keeps the triggerer away for longer than a task takes, and restarts the
database. The seed decides victims and moments.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from airflow_rig import Rig, rig

from datavision.airflow_api import AirflowError
from datavision.aws import Cloud
from datavision.fargate.identity import read_tags
from datavision.fargate.outcome.audit import read_audits

DAG = """
from datetime import datetime, timedelta
from airflow.sdk import dag, task

RUN = (
    "import time; from datavision_runtime import write_result; print('started', flush=True); time.sleep({}); "
    "write_result({{'rows': {}}})"
)

@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=100,
    params={"release": None},
    default_args={"retries": 100, "retry_delay": timedelta(seconds=1)},
)
def chaos():
    @task.fargate(module="ingesta", cpu=256, memory=512)
    def uno() -> list[str]:
        return ["python", "-c", RUN.format(4, 1)]

    @task.fargate(module="ingesta", cpu=256, memory=512)
    def parte(n: int) -> list[str]:
        return ["python", "-c", RUN.format(2 + n, n)]

    @task.fargate(module="ingesta", cpu=256, memory=512, deferrable=False)
    def dos() -> list[str]:
        return ["python", "-c", RUN.format(5, 2)]

    uno() >> parte.expand(n=[0, 3]) >> dos()

chaos()
"""
INSTANCES = 4
"""Task instances of one run of that DAG."""
VICTIMS = {"worker": 8, "scheduler": 4, "triggerer": 4, "triggerer away": 1, "database": 1}
"""How often each is chosen, relative to the others."""
AWAY_SECONDS = 12.0
BUSY = (AirflowError, httpx.HTTPError)
"""What the API answers while its database restarts, or the machine is busy."""


@dataclass
class Verdict:
    """What came out."""

    seed: int
    kills: dict[str, int]
    lost_answers: int
    seconds: float = 0.0
    runs: int = 0
    wrong_runs: list[str] = field(default_factory=list)
    task_instances: int = 0
    containers: int = 0
    duplicates: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_running: int = 0
    tries: dict[int, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not (self.wrong_runs or self.duplicates or self.missing or self.left_running)


def kill(running: Rig, victim: str, chance: random.Random) -> None:
    """Kill one part and bring it back."""
    if victim == "worker":
        if workers := running.workers():
            running.kill_process(chance.choice(workers))
    elif victim == "database":
        running.postgres.stop()
        running.postgres.start()
    else:
        name = victim.split()[0]
        running.kill(name)
        if victim.endswith("away"):
            time.sleep(AWAY_SECONDS)
        running.start(name)


def keep_running(running: Rig, runs: list[str], at_once: int) -> None:
    """Trigger new runs while fewer than `at_once` are under way."""
    with suppress(*BUSY), running.api() as api:
        active = sum(api.run_state("chaos", run) in ("queued", "running") for run in runs)
        while active < at_once:
            runs.append(api.trigger("chaos", {}))
            active += 1


def revive(running: Rig) -> None:
    """Restart services that ended by themselves, as systemd or ECS would: the database was gone under them."""
    for name, service in list(running.services.items()):
        if service.exited():
            running.start(name)


def wait_for_end(running: Rig, runs: list[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        revive(running)
        with suppress(*BUSY), running.api() as api:
            if all(api.run_state("chaos", run) in ("success", "failed") for run in runs):
                return
        time.sleep(2)


def judge(running: Rig, runs: list[str], verdict: Verdict) -> None:
    """Count containers for each task instance, and look at how every run ended."""
    tries: Counter[int] = Counter()
    by_instance: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for container in running.containers():
        tags = read_tags(container["tags"])
        by_instance[tags["run"], tags["task"], tags["map-index"]].append(container)
    audits = read_audits(Cloud.of(running.config), running.config.storage.results_bucket, "local", "chaos")
    delivered = {(item.run_id, item.task_id, item.map_index) for item in audits if item.result}
    with running.api() as api:
        for run in runs:
            if api.run_state("chaos", run) != "success":
                verdict.wrong_runs.append(run)
            for task in api.tasks("chaos", run):
                tries[task.try_number] += 1
                verdict.task_instances += 1
                if not by_instance.get((run, task.task_id, str(task.map_index))):
                    verdict.missing.append(f"{run} {task.label}")
                elif (run, task.task_id, task.map_index) not in delivered:
                    verdict.wrong_runs.append(f"{run} {task.label} has no result")
    for (run, task_id, index), containers in by_instance.items():
        verdict.containers += len(containers)
        if len(containers) > 1:
            verdict.duplicates.append(
                {
                    "run": run,
                    "task": task_id,
                    "index": index,
                    "ends": [item.get("stoppedReason") for item in containers],
                }
            )
    verdict.left_running = sum(container["lastStatus"] != "STOPPED" for container in running.containers())
    verdict.runs, verdict.tries = len(runs), dict(sorted(tries.items()))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--runs-at-once", type=int, default=3)
    options.add_argument("--pause", type=float, default=6.0, help="mean seconds between two kills")
    options.add_argument("--end-seconds", type=float, default=900.0, help="how long runs may take after the last kill")
    options.add_argument("--keep", action="store_true", help="keep the state folder, with all logs")
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    victims = chance.choices(list(VICTIMS), list(VICTIMS.values()), k=chosen.kills)
    state = Path(tempfile.mkdtemp(prefix="datavision-chaos-"))
    began = time.monotonic()
    runs: list[str] = []
    with rig(state, {"chaos": DAG}) as running:
        running.fargate.add_fault("response-lost", action="RunTask", probability=0.2)
        for number, victim in enumerate(victims, 1):
            revive(running)
            keep_running(running, runs, chosen.runs_at_once)
            time.sleep(chance.expovariate(1 / chosen.pause))
            sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {number:3} of {chosen.kills}: {victim}\n")
            kill(running, victim, chance)
        wait_for_end(running, runs, chosen.end_seconds)
        lost = sum(rule.get("injected", 0) for rule in running.fargate.faults())
        verdict = Verdict(chosen.seed, dict(Counter(victims)), lost)
        judge(running, runs, verdict)
    verdict.seconds = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps(asdict(verdict) | {"good": verdict.good}, indent=1) + "\n")
    if chosen.keep or not verdict.good:
        sys.stderr.write(f"Logs are kept in {state}\n")
    else:
        shutil.rmtree(state)
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
