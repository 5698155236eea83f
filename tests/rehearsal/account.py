"""An empty account, and what a new team has besides it: a code host, Docker Hub, a certificate, a source database.

The account is an embedded cloud that refuses what AWS would, with podman's containers in networks of their own.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import trustme
from tests.rehearsal.page import Step, write_setting
from tests.support.schedules import start_soon

from fargate_local import FargateLocal

HOST = "airflow.rehearsal.example"
ACCOUNT = "123456789012"
EXAMPLE_ACCOUNT = "210987654321"
"""The one in the repository's `config/dev.toml`."""
CLUSTER = "datavision-dev"
SMTP = {
    "conn_type": "smtp",
    "host": "email-smtp.us-east-1.amazonaws.com",
    "port": 587,
    "login": "rehearsal",
    "password": "rehearsal",
    "extra": {"disable_ssl": True},
}
NOT_HERE = {"mail", "alarms", "fargate quota"}
"""What `doctor` misses on an embedded cloud: SES's server, somebody who confirms a subscription, and Service Quotas."""
PASSWORD = "of-the-business"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@datavision.example",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@datavision.example",
}


@dataclass
class Account:
    """One environment on its way from an empty account to a running platform."""

    cloud: FargateLocal
    project: Path
    state: Path
    authority: trustme.CA
    printed: str = ""
    """The last line that a command printed."""
    seconds: list[tuple[str, float]] = field(default_factory=list)
    """How long each command took."""
    runs: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Of each run the pipeline, and how long it took."""
    keys: dict[str, str] = field(default_factory=dict)
    """What the commands sign with, as variables; empty, with the account's root user's."""

    def make_source(self) -> str:
        """Make the business's PostgreSQL, with its rows, in the VPC, and return its URL as seen from there."""
        rds = self.client("rds")
        (ours,) = rds.describe_db_instances(DBInstanceIdentifier="datavision-dev")["DBInstances"]
        rds.create_db_instance(
            DBInstanceIdentifier="source",
            DBName="source",
            Engine="postgres",
            DBInstanceClass="db.t4g.small",
            AllocatedStorage=20,
            MasterUsername="business",
            MasterUserPassword=PASSWORD,
            DBSubnetGroupName=ours["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in ours["VpcSecurityGroups"]],
        )
        rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="source", WaiterConfig={"Delay": 1})
        url = f"postgresql://business:{PASSWORD}@{self.source_address}/source"
        load = ("datavision", "source", "load", "--accounts", "2000")
        subprocess.run(
            load,
            cwd=self.project,
            env={**self.variables, "DATAVISION_SOURCE__URL": url},
            check=True,
            capture_output=True,
        )
        return url

    @property
    def source_address(self) -> str:
        """Where the business's PostgreSQL is in the VPC, as `host:port`."""
        (made,) = self.client("rds").describe_db_instances(DBInstanceIdentifier="source")["DBInstances"]
        return f"{made['Endpoint']['Address']}:{made['Endpoint']['Port']}"

    def client(self, service: str) -> Any:
        """A client of the account's root user."""
        return boto3.client(service, **self.cloud.client_args)

    def follow(self, step: Step) -> None:
        """Do what a step of the page says: write its settings, then run its commands."""
        for key in step.settings:
            self.write(key)
        for words in step.commands:
            self.run(*words)

    def write(self, key: str) -> None:
        """Write what this account's value of a setting is."""
        file = self.project / "config" / "dev.toml"
        write_setting(file, key, self._answers[key]())
        if key == "aws.account_id":
            file.write_text(file.read_text().replace(EXAMPLE_ACCOUNT, ACCOUNT))

    @property
    def _answers(self) -> dict[str, Callable[[], str]]:
        return {
            "aws.account_id": lambda: ACCOUNT,
            "network.source_cidr": lambda: "10.65.0.0/16",
            "airflow.image": lambda: self.printed,
            "airflow.host": lambda: HOST,
            "airflow.certificate_arn": self._certificate,
            "airflow.oidc_issuer": lambda: "https://id.rehearsal.example",
            "airflow.oidc_client_id": lambda: "airflow",
        }

    @property
    def _secrets(self) -> dict[str, Callable[[], str]]:
        return {
            "source_url": self.make_source,
            "airflow_oidc": lambda: "not used here",
            "smtp": lambda: json.dumps(SMTP),
        }

    def _certificate(self) -> str:
        certificate = self.authority.issue_cert(HOST)
        made = self.client("acm").import_certificate(
            Certificate=certificate.cert_chain_pems[0].bytes(),
            PrivateKey=certificate.private_key_pem.bytes(),
            CertificateChain=self.authority.cert_pem.bytes(),
        )
        return str(made["CertificateArn"])

    def run(self, *words: str) -> str:
        """Run a command as people do, in the project, with what it asks for on standard input; return its output."""
        given = self._secrets[words[3]]() if words[1:3] == ("infra", "secret") else None
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=self.project, env=self.variables, input=given, capture_output=True, text=True, check=False
        )
        self.seconds.append((" ".join(words), time.monotonic() - began))
        sys.stderr.write("$ {}  ({:.0f} s)\n".format(*self.seconds[-1]))
        missing = set(re.findall(r"^missing\t([^\t]+)", done.stdout, flags=re.MULTILINE))
        well = done.returncode == 0 or (words[1] == "doctor" and missing == NOT_HERE)
        assert well, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
        if done.stdout.strip():
            self.printed = done.stdout.strip().splitlines()[-1]
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        """What is set where the commands run."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DATAVISION_"))}
        return {
            **inherited,
            **IDENTITY,
            **self.cloud.environment,
            **self.keys,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATAVISION_AWS__ENDPOINT_URL": self.cloud.url,
            "DATAVISION_STATE_DIR": str(self.state),
            "DATAVISION_IMAGES__ENGINE": "podman",
        }

    def services(self) -> dict[str, tuple[int, int, str]]:
        """Airflow's services: desired and running tasks, and the state of the newest deployment."""
        ecs = self.client("ecs")
        arns = ecs.list_services(cluster=CLUSTER)["serviceArns"]
        found = ecs.describe_services(cluster=CLUSTER, services=arns)["services"] if arns else []
        return {
            each["serviceName"]: (each["desiredCount"], each["runningCount"], each["deployments"][0]["rolloutState"])
            for each in found
        }

    def exports(self) -> dict[str, str]:
        """What the stacks export."""
        found = self.client("cloudformation").list_exports()["Exports"]
        return {str(each["Name"]): str(each["Value"]) for each in found}

    def in_airflow(self, *command: str) -> int:
        """Run a command of Airflow as a task of the scheduler's definition; return its exit code."""
        ecs = self.client("ecs")
        (service,) = ecs.describe_services(cluster=CLUSTER, services=[f"{CLUSTER}-airflow-scheduler"])["services"]
        override = {"name": "scheduler", "command": list(command)}
        (task,) = ecs.run_task(
            cluster=CLUSTER,
            taskDefinition=service["taskDefinition"],
            launchType="FARGATE",
            networkConfiguration=service["networkConfiguration"],
            overrides={"containerOverrides": [override]},
        )["tasks"]
        (main,) = (each for each in self.stopped(task["taskArn"])["containers"] if each["name"] == "scheduler")
        return int(main.get("exitCode", -1))

    def watch(self) -> int:
        """Have the watchdog's schedule start it at once rather than at its hour; return its exit code."""
        ecs, name = self.client("ecs"), f"{CLUSTER}-watchdog"
        start_soon(self.client("scheduler"), name)
        (task, *_) = until(lambda: ecs.list_tasks(cluster=CLUSTER, family=name)["taskArns"], 120)
        (container,) = self.stopped(task)["containers"]
        return int(container.get("exitCode", -1))

    def stopped(self, task: str) -> dict[str, Any]:
        """Wait for the end of an ECS task; return its description."""
        ecs = self.client("ecs")
        waiting = {"Delay": 1, "MaxAttempts": 600}
        ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=[task], WaiterConfig=waiting)
        (ended,) = ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
        return dict(ended)

    def tasks_of_service(self, service: str) -> dict[str, dict[str, Any]]:
        """The running tasks of one of Airflow's services, by ARN."""
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster=CLUSTER, serviceName=service)["taskArns"]
        found = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return {task["taskArn"]: task for task in found if task["lastStatus"] == "RUNNING"}

    def airflow_tasks(self) -> set[str]:
        """The running tasks of all of Airflow's services."""
        return {arn for service in self.services() for arn in self.tasks_of_service(service)}

    def kill(self, service: str) -> None:
        """Kill every container of a service's tasks at once, and wait until as many others run."""
        killed = self.tasks_of_service(service)
        names = [container_name(each) for task in killed.values() for each in task["containers"] if is_running(each)]
        subprocess.run(["podman", "kill", "--signal", "KILL", *names], check=True, capture_output=True)
        until(lambda: self.replaced(service, set(killed)), 600)

    def replaced(self, service: str, before: set[str]) -> bool:
        """Whether a service has all its tasks again, and none of those from before."""
        now = self.tasks_of_service(service)
        wanted, running, _ = self.services()[service]
        return len(now) == running == wanted and not before & set(now)

    def trigger(self, dag: str, run: str) -> None:
        """Start a run of a DAG as it is pinned now."""
        self.ready(dag)
        self.start(dag, run)

    def start(self, dag: str, run: str) -> None:
        """Start a run at once."""
        assert self.in_airflow("dags", "trigger", dag, "--run-id", run) == 0

    def ready(self, dag: str) -> None:
        """Wait until Airflow knows a DAG's pin, and no run of its schedule goes on or is about to begin."""
        commit = self.run("git", "rev-parse", "origin/main").strip()
        until(lambda: self.query("SELECT 1 FROM dag WHERE dag_id = %s AND bundle_version = %s", dag, commit), 600)
        due = "SELECT 1 FROM dag WHERE dag_id = %s AND next_dagrun_create_after < now() + interval '5 minutes'"
        others = "SELECT 1 FROM dag_run WHERE dag_id = %s AND state IN ('queued', 'running')"
        until(lambda: not self.query(f"{due} UNION ALL {others}", dag, dag), 1200)

    @contextmanager
    def waiting(self, dag: str, run: str) -> Iterator[None]:
        """Start a run, and let its first container wait for a table of the business until the block ends."""
        self.ready(dag)
        with psycopg.connect(self.secret("source-url")) as connection:
            connection.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            self.start(dag, run)
            resting = {"ingesta": "deferred", "preparacion": "success"}
            until(lambda: resting.items() <= self.tasks_of(run).items(), 600)
            yield

    def tasks_of(self, run: str) -> dict[str, str]:
        """The tasks of a run with their states."""
        return dict(self.query("SELECT task_id, state FROM task_instance WHERE run_id = %s", run))

    def ended(self, run: str) -> str:
        """Wait for the end of a run; return its state."""
        ask = (
            "SELECT state, dag_id, extract(epoch FROM end_date - start_date) FROM dag_run"
            " WHERE run_id = %s AND state IN ('success', 'failed')"
        )
        ((state, dag, seconds),) = until(lambda: self.query(ask, run), 1200)
        self.runs[run] = (dag, float(seconds))
        return str(state)

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Ask Airflow's database."""
        with psycopg.connect(self.secret("airflow-database-url").replace("+psycopg2", "")) as connection:
            return connection.execute(statement, values).fetchall()

    def source(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the business's database."""
        with psycopg.connect(self.secret("source-url")) as connection:
            return connection.execute(statement).fetchall()

    def secret(self, name: str) -> str:
        """The value of one of the environment's secrets."""
        secrets = self.client("secretsmanager")
        return str(secrets.get_secret_value(SecretId=f"datavision/dev/{name}")["SecretString"])

    def lakehouse(self, query: str) -> list[dict[str, Any]]:
        """Ask the lakehouse."""
        rows: list[dict[str, Any]] = json.loads(
            self.run("datavision", "sql", query, "--env", "dev", "--format", "json")
        )
        return rows

    def containers(self, run: str) -> list[dict[str, Any]]:
        """The ECS tasks that a run launched, stopped ones too."""
        ecs = self.client("ecs")
        found = []
        for status in ("RUNNING", "STOPPED"):
            for page in ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, desiredStatus=status):
                if arns := page["taskArns"]:
                    found += ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]
        return [task for task in found if {"key": "datavision:run", "value": run} in task.get("tags", [])]

    def side_by_side(self, run: str) -> list[str]:
        """The modules of which two containers of a run lived at the same moment."""
        tasks = until(
            lambda: [each for each in (self.containers(run),) if all("stoppedAt" in task for task in each)], 300
        )
        lives = sorted((task["containers"][0]["name"], task["createdAt"], task["stoppedAt"]) for task in tasks[0])
        return [
            module
            for (module, _, ended), (other, began, _) in itertools.pairwise(lives)
            if module == other and began < ended
        ]

    def pinned(self, pipeline: str) -> dict[str, str]:
        """Of each module that a pipeline is pinned to, the digest."""
        pin = tomllib.loads((self.project / "dags" / "pins" / "dev" / f"{pipeline}.toml").read_text())
        return {module: image["digest"] for module, image in pin["images"].items()}

    def digests(self, run: str) -> dict[str, str]:
        """Of each module that a run launched, the digest that ran."""
        return {
            each["name"]: each["imageDigest"]
            for task in self.containers(run)
            for each in task["containers"]
            if "imageDigest" in each
        }


def container_name(container: dict[str, Any]) -> str:
    """Podman's name of a container that ECS describes."""
    return f"fargate-local-{container['containerArn'].rpartition('/')[2]}"


def is_running(container: dict[str, Any]) -> bool:
    """Whether ECS says that a container runs."""
    return bool(container["lastStatus"] == "RUNNING")


def until(found: Callable[[], Any], seconds: float) -> Any:
    """Wait for something that is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(1)
    return answer
