"""Scale of fargate-local: many tasks at once, many records, many log lines.

Run: python bench/fargate_local_scale.py [--tasks 1000] [--records 50000] [--megabytes 200] [--json FILE]
Prints one line per measure with its target, and exits 1 when one is missed.
"""

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from fargate_local import FargateLocal

CLUSTER = "bench"
GROUP = "/bench"


class Bench:
    """A cloud, its clients, and what was measured."""

    def __init__(self, cloud: FargateLocal) -> None:
        self.cloud = cloud
        self.server = psutil.Process(cloud.pid)
        self.measures: list[dict[str, Any]] = []
        self.ecs = self.client("ecs")
        self.ecs.create_cluster(clusterName=CLUSTER)
        subnet = self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        self.network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        role = self.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
        self.role = role["Role"]["Arn"]

    def client(self, service: str) -> Any:
        config = Config(max_pool_connections=20, retries={"total_max_attempts": 1}, read_timeout=120)
        return boto3.client(service, config=config, **self.cloud.client_args)

    def define(self, family: str, command: list[str], **container: Any) -> None:
        self.ecs.register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=self.role,
            containerDefinitions=[{"name": "app", "image": "host", "command": command, **container}],
        )

    def run(self, family: str, count: int = 10) -> list[str]:
        answer = self.ecs.run_task(
            cluster=CLUSTER,
            taskDefinition=family,
            launchType="FARGATE",
            networkConfiguration=self.network,
            count=count,
        )
        assert answer["failures"] == []
        return [task["taskArn"] for task in answer["tasks"]]

    def describe(self, arns: list[str]) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = []
        for start in range(0, len(arns), 100):
            tasks += self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns[start : start + 100])["tasks"]
        return tasks

    def wait(self, arns: list[str], status: str, seconds: float) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while True:
            tasks = self.describe(arns)
            if all(task["lastStatus"] == status for task in tasks) or time.monotonic() > deadline:
                return tasks
            time.sleep(0.5)

    def note(self, name: str, value: float, unit: str, target: str, met: bool) -> None:
        self.measures.append({"measure": name, "value": round(value, 2), "unit": unit, "target": target, "met": met})
        print(f"{'ok  ' if met else 'MISS'} {name}: {value:.2f} {unit} (target {target})", flush=True)

    def describe_latencies(self, arns: list[str], calls: int = 200) -> list[float]:
        """DescribeTasks on the wire, in ms, without the client's own parsing."""
        import http.client
        import urllib.parse

        address = urllib.parse.urlsplit(self.cloud.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 80)
        headers = {
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeTasks",
            "Content-Type": "application/x-amz-json-1.1",
        }
        body = json.dumps({"cluster": CLUSTER, "tasks": arns[:100]})
        signed = AWSRequest("POST", f"{self.cloud.url}/", headers, body.encode())
        key = Credentials(self.cloud.key.access_key_id, self.cloud.key.secret_access_key)
        SigV4Auth(key, "ecs", "us-east-1").add_auth(signed)
        headers = dict(signed.headers.items())
        taken = []
        for _ in range(calls):
            began = time.perf_counter()
            connection.request("POST", "/", body=body, headers=headers)
            connection.getresponse().read()
            taken.append((time.perf_counter() - began) * 1000)
        connection.close()
        return taken


def overhead(bench: Bench) -> None:
    """From RunTask to the container running, one task after another."""
    bench.define("quick", ["true"])
    bench.wait(bench.run("quick", 1), "STOPPED", 60)
    taken = []
    for _ in range(50):
        arns = bench.run("quick", 1)
        (task,) = bench.wait(arns, "STOPPED", 60)
        taken.append((task["startedAt"] - task["createdAt"]).total_seconds() * 1000)
    bench.note("launch overhead, median", statistics.median(taken), "ms", "< 50", statistics.median(taken) < 50)


def many_tasks(bench: Bench, count: int) -> None:
    """Tasks of ``sleep 30`` launched in bursts and held at the same time."""
    bench.define("sleeper", ["sleep", "30"])
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        arns = [arn for arns in pool.map(lambda _: bench.run("sleeper"), range(count // 10)) for arn in arns]
    bench.note(f"{count} tasks accepted", time.monotonic() - began, "s", "< 30", time.monotonic() - began < 30)
    running, peak = 0, 0.0
    latencies: list[float] = []
    while time.monotonic() - began < 120:
        tasks = bench.describe(arns)
        running = max(running, sum(task["lastStatus"] == "RUNNING" for task in tasks))
        peak = max(peak, bench.server.memory_info().rss / 1e6)
        latencies += bench.describe_latencies(arns, 100)
        if any(task["lastStatus"] == "STOPPED" for task in tasks):
            break
    tasks = bench.wait(arns, "STOPPED", 120)
    codes = [task["containers"][0].get("exitCode") for task in tasks]
    bench.note("tasks running at once", running, "tasks", f"= {count}", running == count)
    bench.note("tasks that ended with 0", codes.count(0), "tasks", f"= {count}", codes.count(0) == count)
    p99 = percentile_99(latencies)
    bench.note("DescribeTasks of 100, p99 from the burst to the end", p99, "ms", "< 50", p99 < 50)
    bench.note("memory of the server, peak", peak, "MB", "< 500", peak < 500)
    starts = [(task["startedAt"] - task["createdAt"]).total_seconds() for task in tasks]
    bench.note("created to running in the burst, median", statistics.median(starts), "s", "none", True)


def many_records(bench: Bench, state: Path, count: int) -> None:
    """Stopped records beside the live ones: one real record, stored many times under other names."""
    arns = bench.run("quick", 10)
    bench.wait(arns, "STOPPED", 60)
    before = percentile_99(bench.describe_latencies(arns))
    database = sqlite3.connect(state / "tasks.sqlite", timeout=60)
    columns = "cluster, family, group_name, started_by, launch_type, desired_status, last_status, stopped_at, tags"
    with database:
        database.execute(
            f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})"
            f" insert into tasks (arn, body, {columns})"
            f" select arn || i, body, {columns} from n, (select * from tasks where arn = '{arns[0]}')"
        )
    database.close()
    after = percentile_99(bench.describe_latencies(arns))
    bench.note(f"DescribeTasks p99 beside {count} records", after, "ms", f"< 50 (before: {before:.1f})", after < 50)
    taken = timed(lambda: bench.ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED"))
    bench.note(f"ListTasks beside {count} records, median", taken, "ms", "< 50", taken < 50)
    taken = timed(lambda: bench.run("quick", 1))
    bench.note(f"RunTask beside {count} records, median", taken, "ms", "< 100", taken < 100)


def percentile_99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def timed(call: Callable[[], Any]) -> float:
    """The median of 20 calls in ms."""
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def many_lines(bench: Bench, megabytes: int) -> None:
    """Four containers that write as fast as their lines are taken."""
    logs = bench.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    options = {"awslogs-group": GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "b"}
    lines = megabytes * 1_000_000 // 4 // 500
    script = f"import sys\nfor i in range({lines}): sys.stdout.write(f'{{i:08}} ' + 'x' * 490 + '\\n')"
    bench.define(
        "writer", [sys.executable, "-c", script], logConfiguration={"logDriver": "awslogs", "options": options}
    )
    arns = bench.run("writer", 4)
    tasks = bench.wait(arns, "STOPPED", 300)
    began = min(task["startedAt"] for task in tasks)
    seconds = (max(task["stoppedAt"] for task in tasks) - began).total_seconds()
    rate = megabytes / seconds
    bench.note("log forwarding in total", rate, "MB/s", ">= 20", rate >= 20)
    complete = all(in_order(logs, arn, lines) for arn in arns)
    bench.note("log streams complete and in order", float(complete), "of 1", "= 1", complete)


def in_order(logs: Any, arn: str, lines: int) -> bool:
    """Whether a stream has every line once, in order."""
    expected = 0
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(
            logGroupName=GROUP,
            logStreamName=f"b/app/{arn.rsplit('/', 1)[-1]}",
            startFromHead=True,
            limit=10_000,
            **token,
        )
        for event in page["events"]:
            if int(event["message"][:8]) != expected:
                return False
            expected += 1
        if not page["events"]:
            return expected == lines
        token = {"nextToken": page["nextForwardToken"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FargateLocal(state_dir=folder) as cloud:
        bench = Bench(cloud)
        overhead(bench)
        many_tasks(bench, arguments.tasks)
        many_records(bench, Path(folder), arguments.records)
        many_lines(bench, arguments.megabytes)
    if arguments.json:
        arguments.json.write_text(json.dumps(bench.measures, indent=2) + "\n")
    sys.exit(0 if all(measure["met"] for measure in bench.measures) else 1)


if __name__ == "__main__":
    main()
