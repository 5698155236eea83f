"""kill -9 of Airflow's scheduler, workers and triggerer at random moments, over runs of several Fargate tasks.

    python bench/chaos.py --kills 200 --seed 1
    python bench/chaos.py --kills 50 --seed 1 --shared

Says at the end: containers launched for each task instance (one each is right), containers left running, those without
an audit record, and how every run ended. Also loses answers of RunTask, keeps the triggerer away for longer than a task
takes, and restarts the database. With --shared the tasks are steps of shared containers, which are killed as well: then
a step may be begun again, but never while it runs, and never after its end. The seed decides victims and moments.
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
import psutil
from airflow_rig import Rig, rig

from datavision.airflow_api import AirflowError
from datavision.aws import Cloud
from datavision.fargate.attempt.accounting import RUNNING
from datavision.fargate.edge.json_objects import list_keys, read_json
from datavision.fargate.identity import read_tags
from datavision.fargate.outcome.audit import read_audits
from datavision.fargate.outcome.results import MAX_DELIVERY_BYTES
from datavision.idle import record_idle

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
SHARED_DAG = """
from datetime import datetime, timedelta
from airflow.sdk import dag, task
from datavision.fargate import fargate_session

def step(name: str, seconds: int) -> list[str]:
    return ["python", "{step}", "{folder}", name, str(seconds)]

@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=100,
    params={{"release": None}},
    default_args={{"retries": 100, "retry_delay": timedelta(seconds=1)}},
)
def chaos():
    with fargate_session(module="ingesta", cpu=256, memory=512, idle=timedelta(seconds=10)):
        @task.fargate()
        def uno() -> list[str]:
            return step("uno", 4)

        @task.fargate()
        def parte(n: int) -> list[str]:
            return step(f"parte{{n}}", 2 + n)

        @task.fargate(deferrable=False)
        def dos() -> list[str]:
            return step("dos", 5)

        uno() >> parte.expand(n=[0, 3]) >> dos()

chaos()
"""
STEP = Path(__file__).with_name("chaos_step.py")
INSTANCES = 4
"""Task instances of one run of either DAG."""
VICTIMS = {"worker": 8, "scheduler": 4, "triggerer": 4, "triggerer away": 1, "database": 1}
"""How often each is chosen, relative to the others."""
SHARED_VICTIMS = VICTIMS | {"container": 4, "step": 4}
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
    unrecorded: list[str] = field(default_factory=list)
    """Containers that no audit record names."""
    unfinished: list[str] = field(default_factory=list)
    """Audit records of launches that are over, and do not say how they ended."""
    tries: dict[int, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        wrong = self.wrong_runs or self.duplicates or self.missing or self.left_running
        return not (wrong or self.unrecorded or self.unfinished)


def kill(running: Rig, victim: str, chance: random.Random) -> None:
    """Kill one part and bring it back."""
    if victim == "worker":
        if workers := running.workers():
            running.kill_process(chance.choice(workers))
    elif victim in ("container", "step"):
        if found := processes_of(victim, running.fargate.url):
            running.kill_process(chance.choice(found))
    elif victim == "database":
        running.postgres.stop()
        running.postgres.start()
    else:
        name = victim.split()[0]
        running.kill(name)
        if victim.endswith("away"):
            time.sleep(AWAY_SECONDS)
        running.start(name)


def processes_of(victim: str, cloud: str) -> list[psutil.Process]:
    """Return the first processes of the shared containers of this embedded cloud, or the programs of their steps."""
    program = "datavision-run" if victim == "container" else STEP.name
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            metadata = process.environ().get("ECS_CONTAINER_METADATA_URI_V4", "")
            if any(part.endswith(program) for part in process.cmdline()) and metadata.startswith(f"{cloud}/"):
                found.append(process)
    return found


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
    there_were = running.containers()
    for container in there_were:
        tags = read_tags(container["tags"])
        if "shared" in tags:
            verdict.containers += 1
            continue
        by_instance[tags["run"], tags["task"], tags["map-index"]].append(container)
    # As mantenimiento_contenedores does within the hour.
    record_idle(running.config)
    audits = read_audits(Cloud.of(running.config), running.config.storage.audit_bucket, "local", "chaos")
    delivered = {(item.run_id, item.task_id, item.map_index) for item in audits if item.result}
    recorded = {item.task_arn for item in audits}
    verdict.unrecorded = [item["taskArn"] for item in there_were if item["taskArn"] not in recorded]
    verdict.unfinished = [item.object_key for item in audits if item.outcome == RUNNING]
    shared = verdict.containers > 0
    with running.api() as api:
        for run in runs:
            if api.run_state("chaos", run) != "success":
                verdict.wrong_runs.append(run)
            for task in api.tasks("chaos", run):
                tries[task.try_number] += 1
                verdict.task_instances += 1
                if not shared and not by_instance.get((run, task.task_id, str(task.map_index))):
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


def judge_steps(running: Rig, folder: Path, runs: list[str], verdict: Verdict) -> None:
    """Look for steps that ran twice at the same time, or again after they had reported success.

    A container that is killed between a step's end and its report leaves nobody who knows that it ended.
    """
    cloud, bucket = Cloud.of(running.config), running.config.storage.results_bucket
    for run in runs:
        for step in sorted((folder / run).glob("*")):
            words = step.read_text().split()
            if step.suffix != ".lock" and "overlap" in words:
                verdict.duplicates.append({"run": run, "task": step.name, "words": words})
        reports: Counter[str] = Counter()
        for key in list_keys(cloud, bucket, f"results/local/chaos/{run}/"):
            if key.endswith(".json") and read_json(cloud, bucket, key, MAX_DELIVERY_BYTES)["exit_code"] == 0:
                reports[key.split("/")[4]] += 1
        verdict.duplicates += [{"run": run, "task": task, "reports": n} for task, n in reports.items() if n > 1]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--runs-at-once", type=int, default=3)
    options.add_argument("--pause", type=float, default=6.0, help="mean seconds between two kills")
    options.add_argument("--end-seconds", type=float, default=900.0, help="how long runs may take after the last kill")
    options.add_argument("--shared", action="store_true", help="steps of shared containers, which are killed as well")
    options.add_argument("--keep", action="store_true", help="keep the state folder, with all logs")
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    weights = SHARED_VICTIMS if chosen.shared else VICTIMS
    victims = chance.choices(list(weights), list(weights.values()), k=chosen.kills)
    state = Path(tempfile.mkdtemp(prefix="datavision-chaos-"))
    steps = state / "steps"
    steps.mkdir()
    dag = SHARED_DAG.format(step=STEP, folder=steps) if chosen.shared else DAG
    began = time.monotonic()
    runs: list[str] = []
    with rig(state, {"chaos": dag}) as running:
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
        if chosen.shared:
            judge_steps(running, steps, runs, verdict)
    verdict.seconds = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps(asdict(verdict) | {"good": verdict.good}, indent=1) + "\n")
    if chosen.keep or not verdict.good:
        sys.stderr.write(f"Logs are kept in {state}\n")
    else:
        shutil.rmtree(state)
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
