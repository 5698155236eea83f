"""Parse time of the daily pipeline's graph with `@task.fargate`, beside the same graph with the stock operator.

    python bench/operator_parse.py

Each parse is a fresh process, as the DAG processor's are; what `airflow.sdk` itself costs is left out.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from datavision.pins import Pin, PinnedImage, pin_path, render_pin

REPOSITORY = Path(__file__).resolve().parents[1]
REPEATS = 5
TASKS = 7

OURS = f"""
from datetime import datetime
from airflow.sdk import chain, dag, task

@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def ours():
    tasks = []
    for number in range({TASKS}):
        @task.fargate(task_id=f"t{{number}}", module="ingesta")
        def run() -> list[str]:
            return ["sleep", "1"]
        tasks.append(run())
    chain(*tasks)

ours()
"""
STOCK = f"""
from datetime import datetime
from airflow.sdk import chain, dag
from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator

@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def stock():
    chain(*(
        EcsRunTaskOperator(
            task_id=f"t{{number}}", cluster="c", task_definition="datavision-local-ingesta", launch_type="FARGATE",
            overrides={{"containerOverrides": [{{"name": "ingesta", "command": ["sleep", "1"]}}]}},
            network_configuration={{"awsvpcConfiguration": {{"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}}},
            awslogs_group="/g", awslogs_stream_prefix="p", container_name="ingesta", deferrable=True,
        )
        for number in range({TASKS})
    ))

stock()
"""
PARSE = """
import sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
began = time.perf_counter()
bag = DagBag(dag_folder=sys.argv[1])
seconds = time.perf_counter() - began
assert not bag.import_errors, bag.import_errors
print(seconds)
"""


def parse(folder: Path, home: Path) -> float:
    """Return seconds of one parse in a fresh process."""
    env = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "DATAVISION_ENV": "local",
        "DATAVISION_CONFIG_DIR": str(REPOSITORY / "config"),
    }
    command = [sys.executable, "-c", PARSE, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> int:
    digest = "sha256:" + "a" * 64
    image = PinnedImage(
        repository="datavision/ingesta", tag="1", digest=digest, task_definition="datavision-local-ingesta:1"
    )
    pin = Pin(version="1", commit="0", pinned_at="2026-11-23", pinned_by="bench", reason="", images={"ingesta": image})
    results = {}
    with tempfile.TemporaryDirectory() as state:
        for name, text in (("ours", OURS), ("stock", STOCK)):
            folder = Path(state) / name
            folder.mkdir()
            (folder / f"{name}.py").write_text(text)
            path = pin_path(folder, "local", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render_pin(pin))
            seconds = [parse(folder, Path(state) / "home") for _ in range(REPEATS)]
            results[name] = {"median_seconds": round(statistics.median(seconds), 3), "tasks": TASKS, "parses": REPEATS}
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
