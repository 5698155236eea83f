"""A whole Airflow on the embedded cloud, whose parts can be killed: PostgreSQL, ECS that runs, and the four services.

Used by `bench/chaos.py` and `bench/operator_scale.py`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil

from datavision.airflow_api import AirflowApi
from datavision.config import Config, load
from datavision.infra import deploy
from datavision.local.airflow import AirflowSettings, airflow_environment, migrate_database, password_of
from datavision.local.cloud import console_script
from datavision.local.postgres import EmbeddedPostgres
from datavision.local.processes import Service, session_members
from datavision.pins import Pin, PinnedImage, pin_path, render_pin
from datavision.task_definitions import TaskDefinitions
from fargate_local import FargateLocal, ImageStore
from fargate_local.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = "ingesta"
QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "4",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__CORE__PARALLELISM": "8",
}
"""So that Airflow notices a death within seconds instead of minutes."""
FAST_WAITING = {
    "DATAVISION_ECS__WAIT__MIN_INTERVAL_SECONDS": "0.5",
    "DATAVISION_MODULES__INGESTA__STOP_TIMEOUT_SECONDS": "2",
    "DATAVISION_MODULES__INGESTA__SECRETS": "[]",
}
_KEPT = ("PATH", "HOME", "LANG", "TZ")


@dataclass
class Rig:
    """The running parts."""

    state: Path
    env: dict[str, str]
    fargate: FargateLocal
    postgres: EmbeddedPostgres
    config: Config
    image: PinnedImage
    url: str = ""
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def ecs(self) -> Any:
        return boto3.client("ecs", **self.fargate.client_args)

    def start(self, name: str) -> None:
        """Start one of Airflow's services (again)."""
        port = self.url.rpartition(":")[2]
        arguments = {
            "api-server": ["--host", "127.0.0.1", "--port", port],
            "scheduler": ["--skip-serve-logs"],
            "triggerer": ["--skip-serve-logs"],
        }.get(name, [])
        log = self.state / "logs" / f"{name}-{time.time_ns()}.log"
        self.services[name] = Service(name, [console_script("airflow"), name, *arguments], self.env, log)

    def kill(self, name: str) -> None:
        """kill -9 of a service and all its processes, as when its machine is lost."""
        service = self.services[name]
        for process in session_members(service.pid):
            with suppress(psutil.Error):
                process.kill()
        service.stop()

    def kill_process(self, process: psutil.Process) -> None:
        """kill -9 of one process."""
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the scheduler that run tasks, or wait for one."""
        scheduler = self.services["scheduler"].pid
        return [process for process in session_members(scheduler) if process.pid != scheduler]

    def api(self) -> AirflowApi:
        return AirflowApi(self.url, password=password_of(self.state))

    def containers(self) -> list[dict[str, Any]]:
        """Return every container there is or was, with its tags."""
        cluster, found = self.config.ecs.cluster, []
        for status in ("RUNNING", "STOPPED"):
            pages = self.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
            for page in pages:
                if page["taskArns"]:
                    answer = self.ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"], include=["TAGS"])
                    found += answer["tasks"]
        return list({task["taskArn"]: task for task in found}.values())

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not happen within {seconds:.0f} s; logs are in {self.state}/logs")
            time.sleep(0.5)


@contextmanager
def rig(
    state: Path,
    dags: dict[str, str],
    *,
    throttle: bool = False,
    env: dict[str, str] | None = None,
    scheduled: bool = False,
    smtp_port: int | None = None,
) -> Iterator[Rig]:
    """Start everything, with the given DAG files (name → text) pinned to one small image.

    DAGs also run by their schedules if `scheduled`; alerts go to the mail server at `smtp_port`.
    """
    base = {name: os.environ[name] for name in _KEPT if name in os.environ}
    base |= {
        "DATAVISION_ENV": "local",
        "DATAVISION_CONFIG_DIR": str(REPOSITORY / "config"),
        "DATAVISION_STATE_DIR": str(state),
        "AWS_EC2_METADATA_DISABLED": "true",
        **FAST_WAITING,
        **(env or {}),
    }
    os.chdir(REPOSITORY)
    with (
        EmbeddedPostgres(state / "postgres") as postgres,
        FargateLocal(store=state / "images", throttle=throttle) as cloud,
    ):
        base |= cloud.environment | {"DATAVISION_AWS__ENDPOINT_URL": cloud.url}
        os.environ.update(base)
        config = load("local")
        deploy(config)
        image = make_image(cloud, config, state)
        bundle = publish(state, dags, image)
        settings = AirflowSettings(
            state=state,
            database_url=postgres.url("airflow").replace("postgresql://", "postgresql+psycopg2://", 1),
            bundle_repository=bundle,
            scheduled=scheduled,
            smtp_port=smtp_port,
        )
        migrate_database(settings, base, lambda text: None)
        port = free_port()
        running = Rig(
            state=state,
            env={**base, **airflow_environment(settings, port), **QUICK},
            fargate=cloud,
            postgres=postgres,
            config=config,
            image=image,
            url=f"http://127.0.0.1:{port}",
        )
        try:
            for name in ("api-server", "dag-processor", "scheduler", "triggerer"):
                running.start(name)
            running.wait_until(lambda: _answers(running.url), 180, "Airflow's start")
            with running.api() as api:
                for name in dags:
                    api.wait_for_dag(name, None, 180)
            yield running
        finally:
            for service in running.services.values():
                service.terminate()
            for service in running.services.values():
                service.stop()


def make_image(cloud: FargateLocal, config: Config, state: Path) -> PinnedImage:
    """Make an image of this environment's Python and `datavision-run`, and register its task definition."""
    binaries = state / "image" / "app" / ".venv" / "bin"
    binaries.mkdir(parents=True)
    entry_point = Path(sysconfig.get_path("scripts")) / "datavision-run"
    for name, target in (("python", sys.executable), ("datavision-run", entry_point)):
        (binaries / name).write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        (binaries / name).chmod(0o755)
    stored = ImageStore(state / "images").commit(state / "image", {"Entrypoint": ["datavision-run"], "Env": []})
    repository = config.repository(MODULE)
    boto3.client("ecr", **cloud.client_args).put_image(
        repositoryName=repository, imageManifest=stored.manifest, imageDigest=stored.digest, imageTag="0.1.0"
    )
    revision = TaskDefinitions(config).ensure(MODULE, repository, stored.digest)
    return PinnedImage(repository=repository, tag="0.1.0", digest=stored.digest, task_definition=revision)


def publish(state: Path, dags: dict[str, str], image: PinnedImage) -> Path:
    """Put the DAGs and their pins into a bare git repository and return it."""
    work, bare = state / "work", state / "dags.git"
    folder = work / "dags"
    folder.mkdir(parents=True)
    pin = Pin(
        version="0.1.0",
        commit="0" * 40,
        pinned_at="2026-11-23T00:00:00+00:00",
        pinned_by="bench",
        reason="",
        images={MODULE: image},
    )
    for name, text in dags.items():
        (folder / f"{name}.py").write_text(text)
        path = pin_path(folder, "local", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_pin(pin))
    git = ["git", "-C", str(work), "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "DAGs"]):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    shutil.rmtree(work)
    return bare


def _answers(url: str) -> bool:
    import httpx

    with suppress(httpx.HTTPError, json.JSONDecodeError):
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5, trust_env=False).json()
        return all(
            health.get(part, {}).get("status") == "healthy" for part in ("scheduler", "triggerer", "dag_processor")
        )
    return False
