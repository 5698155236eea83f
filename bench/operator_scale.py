"""1,000 tasks waited for at once, by our trigger and by the stock operator's, with ECS's real request rates in force.

    python bench/operator_scale.py --tasks 1000

Says for each: calls of DescribeTasks, throttled answers, and seconds from a container's exit to its trigger event. The
containers are real processes of `fargate-local`; both triggers run in one event loop, as in Airflow's triggerer.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from datavision.aws import Cloud
from datavision.fargate.edge.ecs_tasks import condensed
from datavision.fargate.operator.trigger import FargateTrigger
from datavision.fargate.outcome.classify import Wanted
from datavision.fargate.waiting.watch import Watch
from fargate_local import FargateLocal

CLUSTER = "bench"
FAMILY = "bench-sleep"
STOCK_POLL_SECONDS = 6
LAUNCHES_PER_SECOND = 18.0
"""A little under what Fargate grants (20/s), so that launching is not what is measured."""


@dataclass(frozen=True)
class Measured:
    """One way of waiting. Seconds are from the container's exit to the trigger event."""

    waited_by: str
    tasks: int
    run_seconds: float
    describe_calls: int
    throttled: int
    failed: int
    median_seconds: float
    p99_seconds: float
    max_seconds: float


class Calls:
    """Counts what goes over the wire, by action, and how much of it is refused as too fast."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.throttled = 0

    def install(self) -> Callable[[], None]:
        from aiobotocore.endpoint import AioEndpoint

        original = AioEndpoint._do_get_response

        async def counted(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
            self.sent[operation_model.name] += 1
            answer = await original(endpoint, request, operation_model, context)
            if answer[0] is not None and answer[0][1].get("Error", {}).get("Code") == "ThrottlingException":
                self.throttled += 1
            return answer

        AioEndpoint._do_get_response = counted

        def restore() -> None:
            AioEndpoint._do_get_response = original

        return restore


def prepare(cloud: FargateLocal) -> dict[str, Any]:
    """Make a cluster, a task definition of a process of this machine, and a subnet; returns where tasks are placed."""
    ec2, ecs = boto3.client("ec2", **cloud.client_args), boto3.client("ecs", **cloud.client_args)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/20")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="bench", Description="bench", VpcId=vpc)["GroupId"]
    boto3.client("s3", **cloud.client_args).create_bucket(Bucket="bench-results")
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.register_task_definition(
        family=FAMILY,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "sleep", "image": "host", "essential": True, "command": ["sleep", "1"]}],
    )
    return {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "DISABLED"}}


async def launch(cloud: FargateLocal, network: dict[str, Any], seconds: float) -> str:
    def run() -> str:
        answer = ecs.run_task(
            cluster=CLUSTER,
            taskDefinition=FAMILY,
            launchType="FARGATE",
            networkConfiguration=network,
            overrides={"containerOverrides": [{"name": "sleep", "command": ["sleep", f"{seconds:.2f}"]}]},
        )
        return str(answer["tasks"][0]["taskArn"])

    ecs = boto3.client("ecs", **cloud.client_args)
    return await asyncio.to_thread(run)


async def ours(cloud: FargateLocal, arn: str, usual: float) -> dict[str, Any]:
    watch = Watch(arn, Wanted("sleep", "", None), time.time(), usual, 1.0, 15.0, 20.0)
    where = Cloud(cloud.region, cloud.url)
    trigger = FargateTrigger(
        cloud=asdict(where),
        cluster=CLUSTER,
        watch=watch.arguments(),
        calls_per_second=10,
        max_backoff=30,
        log={"group": "bench", "stream": f"sleep/sleep/{arn.rsplit('/', 1)[-1]}", "pause": 2, "save": 30},
        results_bucket="bench-results",
        position_key=f"{arn}.log-position",
        audit_key="",
    )
    async for event in trigger.run():
        task: dict[str, Any] = event.payload["task"]
        return task
    raise AssertionError("no event")


async def stock(cloud: FargateLocal, arn: str, usual: float) -> dict[str, Any]:
    from airflow.providers.amazon.aws.triggers.ecs import TaskDoneTrigger

    trigger = TaskDoneTrigger(
        cluster=CLUSTER,
        task_arn=arn,
        waiter_delay=STOCK_POLL_SECONDS,
        waiter_max_attempts=1_000_000,
        aws_conn_id=None,
        region_name=cloud.region,
    )
    async for _ in trigger.run():
        return {"taskArn": arn}
    raise AssertionError("no event")


async def measure(
    cloud: FargateLocal,
    name: str,
    wait: Callable[[FargateLocal, str, float], Coroutine[Any, Any, dict[str, Any]]],
    options: argparse.Namespace,
) -> Measured:
    """Launch all tasks as fast as Fargate allows, wait for each from its launch on, and compare ends with events."""
    chance, network, calls = random.Random(options.seed), await asyncio.to_thread(prepare_once, cloud), Calls()
    restore = calls.install()
    began, events, failed = time.monotonic(), {}, 0

    async def one(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(number / LAUNCHES_PER_SECOND)
        arn = await launch(cloud, network, max(chance.gauss(options.seconds, options.seconds * options.spread), 1))
        try:
            await wait(cloud, arn, options.seconds)
            events[arn] = time.time()
        except Exception as error:  # noqa: BLE001 - the stock trigger raises whatever the API refused
            failed += 1
            if failed == 1:
                sys.stderr.write(f"{name}: {error}\n")

    try:
        await asyncio.gather(*(one(number) for number in range(options.tasks)))
    finally:
        restore()
    took = time.monotonic() - began
    delays = sorted(await asyncio.to_thread(exits_to_events, cloud, events))
    return Measured(
        waited_by=name,
        tasks=options.tasks,
        run_seconds=round(took, 1),
        describe_calls=calls.sent["DescribeTasks"],
        throttled=calls.throttled,
        failed=failed,
        median_seconds=round(statistics.median(delays), 3) if delays else -1,
        p99_seconds=round(delays[int(len(delays) * 0.99) - 1], 3) if delays else -1,
        max_seconds=round(delays[-1], 3) if delays else -1,
    )


_prepared: dict[str, dict[str, Any]] = {}


def prepare_once(cloud: FargateLocal) -> dict[str, Any]:
    if cloud.url not in _prepared:
        _prepared[cloud.url] = prepare(cloud)
    return _prepared[cloud.url]


def exits_to_events(cloud: FargateLocal, events: dict[str, float]) -> list[float]:
    """Return seconds from each container's exit to its event."""
    ecs, arns, delays = boto3.client("ecs", **cloud.client_args), sorted(events), []
    for start in range(0, len(arns), 100):
        answer = ecs.describe_tasks(cluster=CLUSTER, tasks=arns[start : start + 100])
        ended = map(condensed, answer["tasks"])
        delays += [events[task["taskArn"]] - task["executionStoppedAt"] for task in ended]
        time.sleep(0.1)
    return delays


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=120.0, help="usual duration of a task")
    options.add_argument("--spread", type=float, default=0.03, help="standard deviation, as a share of the duration")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", choices=("ours", "stock"))
    options.add_argument("--json", type=Path, help="write the results to this file, too")
    chosen = options.parse_args()
    ways = {"ours": ours, "stock": stock}
    results: dict[str, Any] = {}
    for name, wait in ways.items():
        if chosen.only in (None, name):
            with FargateLocal(throttle=True) as cloud:
                os.environ.update(cloud.environment)
                results[name] = asdict(asyncio.run(measure(cloud, name, wait, chosen)))
            sys.stderr.write(f"{results[name]}\n")
    if "ours" in results:
        # Counted from its interval: what it really sends is less, for tasks whose poll is refused fail and ask no more.
        results["stock_task_polls"] = int(results["ours"]["tasks"] * chosen.seconds / STOCK_POLL_SECONDS)
        results["stock_task_polls_for_each_of_our_calls"] = round(
            results["stock_task_polls"] / results["ours"]["describe_calls"], 1
        )
    text = json.dumps(results, indent=1) + "\n"
    if chosen.json:
        chosen.json.write_text(text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
