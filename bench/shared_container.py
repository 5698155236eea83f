"""The daily pipeline with Fargate's start times: one container for its dbt steps, one for each, and the stock operator.

    PYTHONPATH=. python bench/shared_container.py --start 55

A whole local stack of a copy of HEAD, in which the daily pipeline stands three times: as it is, without its
`fargate_session`, and with Airflow's `EcsRunTaskOperator` (deferred, its defaults). They run in turn. Each container
waits `--start` seconds before it runs, 24 % of them before the image pull: what was measured on Fargate for an image of
413 MB (docs/task-fargate.md names the source). Cost: from the pull to the stop, at least a minute, on demand, x86.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measured import machine

from datavision.airflow_api import AirflowApi
from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.edge.ecs_tasks import condensed
from datavision.fargate.outcome.cost import ON_DEMAND, cost_usd
from datavision.fargate.sizing.sizes import FargateSize
from datavision.local.stack import RunningStack, local_stack
from datavision.run import run_pipeline
from datavision.state import state_dir
from fargate_local import ServerKey
from fargate_local.admin_client import ask

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "shared_container.json"
SHARED, OWN, STOCK = "pipeline_suscripciones", "pipeline_separada", "pipeline_estandar"
BEFORE_PULL = 0.24
STOCK_TASK = """
def tarea(nombre, module, command):
    from datavision.config import load
    from datavision.fargate.operator.operator import pinned_image
    config = load()
    image = pinned_image(Path(__file__).parent, "pipeline_estandar", module)
    return EcsRunTaskOperator(
        task_id=nombre, cluster=config.ecs.cluster, task_definition=image["task_definition"], launch_type="FARGATE",
        overrides={"containerOverrides": [{"name": module, "command": command}]},
        network_configuration={"awsvpcConfiguration": {"subnets": subnets(config), "assignPublicIp": "ENABLED"}},
        deferrable=True, aws_conn_id=None, region_name=config.aws.region,
    )


def subnets(config):
    from datavision.aws import Cloud
    from datavision.fargate.launching.network import network
    return list(network(Cloud.of(config), config.ecs).subnets)
"""


@dataclass(frozen=True)
class Measured:
    """One run."""

    pipeline: str
    seconds: float
    containers: int
    cost_usd: float


def own_containers(text: str) -> str:
    """Return the daily DAG with a container for each task, and without the one that only starts a container early."""
    text = re.sub(r"        @task[^@]*def preparacion.*?\n\n", "", text, flags=re.DOTALL)
    text = text.replace("cross_downstream([ingesta(), preparacion()], ", "chain(ingesta(), ")
    text = re.sub(r"with fargate_session\(.*\):", "if True:", text)
    text = text.replace("@task.fargate(execution_timeout", '@task.fargate(module="transformacion", execution_timeout')
    return text.replace(SHARED, OWN)


def stock_operator(text: str) -> str:
    """Return a DAG of the same commands in the same order, launched by Airflow's own operator."""
    commands = re.findall(r"def (\w+)\(\) -> list\[str\]:\n\s+return (\w+_command\([^\n]*\))", text)
    lines = [
        f'    {name} = tarea("{name}", "{command.partition("_command")[0]}", {command})'
        for name, command in commands
        if name != "preparacion"
    ]
    chain = "    chain(ingesta, [fuentes, frescura], staging, snapshots, marts, reporte)"
    return "\n".join(
        [
            "from pathlib import Path",
            "from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator",
            "from airflow.sdk import chain, dag",
            "from datavision.dags import dag_defaults, ingesta_command, transformacion_command",
            STOCK_TASK,
            "@dag(schedule=None, **dag_defaults())",
            f"def {STOCK}():",
            *lines,
            chain,
            f"\n{STOCK}()\n",
        ]
    )


def prepare(folder: Path) -> None:
    """Copy HEAD into `folder`, with the two other pipelines beside the daily one."""
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(folder)], check=True)
    text = (folder / "dags" / f"{SHARED}.py").read_text()
    (folder / "dags" / f"{OWN}.py").write_text(own_containers(text))
    (folder / "dags" / f"{STOCK}.py").write_text(stock_operator(text))


def slow_down(stack: RunningStack, seconds: float) -> None:
    """Have every container start as slowly as on Fargate."""
    key = ServerKey.kept_in(state_dir() / "cloud").at(stack.cloud_url)
    for state, share in (("PENDING", BEFORE_PULL), ("ACTIVATING", 1 - BEFORE_PULL)):
        ask(key, "POST", "faults", {"fault": "stuck", "state": state, "seconds": seconds * share})


def measure(stack: RunningStack, config: Config, pipeline: str) -> Measured:
    """Run a pipeline to its end, and price the containers that it launched."""
    before = set(tasks(config))
    with AirflowApi(str(stack.airflow_url), password=stack.airflow_password) as api:
        outcome = run_pipeline(api, config, pipeline, {}, lambda *_: None)
    if not outcome.succeeded:
        sys.exit(f"{pipeline} ended as {outcome.state}: {json.dumps(outcome.as_json(), default=str)[-3000:]}")
    wait_for_the_end(config)
    launched = {arn: task for arn, task in tasks(config).items() if arn not in before}
    return Measured(pipeline, outcome.seconds, len(launched), round(sum(map(price, launched.values())), 6))


def tasks(config: Config) -> dict[str, dict[str, Any]]:
    """Return every task that ECS still knows."""
    ecs = client(Cloud.of(config), "ecs")
    found: dict[str, dict[str, Any]] = {}
    for status in ("RUNNING", "STOPPED"):
        pages = ecs.get_paginator("list_tasks").paginate(cluster=config.ecs.cluster, desiredStatus=status)
        for page in pages:
            if page["taskArns"]:
                answer = ecs.describe_tasks(cluster=config.ecs.cluster, tasks=page["taskArns"])
                found |= {task["taskArn"]: task for task in answer["tasks"]}
    return found


def wait_for_the_end(config: Config, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while any(task["lastStatus"] != "STOPPED" for task in tasks(config).values()) and time.monotonic() < deadline:
        time.sleep(1)


def price(task: dict[str, Any]) -> float:
    """Return what one task cost, in dollars."""
    small = condensed(task)
    size = FargateSize(int(task["cpu"]), int(task["memory"]))
    seconds = small["stoppedAt"] - small.get("pullStartedAt", small["startedAt"])
    return cost_usd(size, seconds, ON_DEMAND["us-east-1", "X86_64"], spot=False)


def summary(runs: list[Measured], start: float) -> dict[str, Any]:
    """Return medians, and how the shared container compares."""
    medians = {
        name: {
            "seconds": statistics.median(run.seconds for run in runs if run.pipeline == name),
            "cost_usd": statistics.median(run.cost_usd for run in runs if run.pipeline == name),
            "containers": statistics.median(run.containers for run in runs if run.pipeline == name),
        }
        for name in (SHARED, OWN, STOCK)
    }
    ratios = {
        f"{what} to {other}": round(medians[SHARED][what] / medians[other][what], 3)
        for other in (OWN, STOCK)
        for what in ("seconds", "cost_usd")
    }
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "start_seconds": start,
        "medians": medians,
        "ratios": ratios,
        "runs": [asdict(run) for run in runs],
    }


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=1, help="each takes 14 minutes")
    options.add_argument("--start", type=float, default=55.0, help="seconds before a container runs")
    chosen = options.parse_args()
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="datavision-shared-") as name:
        folder = Path(name) / "datavision"
        prepare(folder)
        os.chdir(folder)
        os.environ["DATAVISION_STATE_DIR"] = str(folder / ".datavision")
        with local_stack(say) as stack:
            config = stack.config
            with AirflowApi(str(stack.airflow_url), password=stack.airflow_password) as api:
                for pipeline in (SHARED, OWN, STOCK):
                    api.wait_for_dag(pipeline, None, 180)
            # The first run of all loads the source and builds every table; the others are days without changes.
            measure(stack, config, SHARED)
            slow_down(stack, chosen.start)
            for number in range(chosen.rounds):
                for pipeline in (SHARED, OWN, STOCK):
                    runs.append(measure(stack, config, pipeline))
                    say(f"round {number + 1}: {runs[-1]}")
    RESULT.write_text(json.dumps(summary(runs, chosen.start), indent=1) + "\n")
    sys.stdout.write(RESULT.read_text())


if __name__ == "__main__":
    main()
