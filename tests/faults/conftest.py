"""A cloud that really runs containers and fails on demand, with the environment `local` deployed into it.

`Airflow` here is only the rule by which Airflow repeats a task: the operator's own policy, try after try. The real one
is in `test_chaos.py`.
"""

import asyncio
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from datavision import config as configuration
from datavision.config import Config
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.job import Job
from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Finished, Pausing, Step, Waiting
from datavision.fargate.edge.clients import Cloud, client
from datavision.fargate.identity import TaskKey, read_tags
from datavision.fargate.operator.retry_policy import FailureTablePolicy
from datavision.fargate.operator.trigger import FargateTrigger
from datavision.fargate.outcome.audit import AuditRecord, read_audits
from datavision.fargate.outcome.errors import FargateError
from datavision.fargate.sizing.sizes import FargateSize
from datavision.fargate.waiting.in_worker import wait_in_worker
from datavision.infra import deploy
from datavision.pins import PinnedImage
from datavision.task_definitions import TaskDefinitions
from fargate_local import FargateLocal, ImageStore

FAST = {
    "DATAVISION_ECS__LAUNCH__BACKOFF_INITIAL_SECONDS": "0.05",
    "DATAVISION_ECS__LAUNCH__BACKOFF_MAX_SECONDS": "0.3",
    "DATAVISION_ECS__LAUNCH__ATTEMPTS": "4",
    "DATAVISION_ECS__LAUNCH__START_DEADLINE_SECONDS": "120",
    "DATAVISION_ECS__WAIT__MIN_INTERVAL_SECONDS": "0.1",
    "DATAVISION_ECS__WAIT__MAX_INTERVAL_SECONDS": "0.5",
    "DATAVISION_MODULES__INGESTA__STOP_TIMEOUT_SECONDS": "2",
    "DATAVISION_MODULES__INGESTA__SECRETS": "[]",
}
SMALL = FargateSize(256, 512)


@dataclass(frozen=True)
class Platform:
    """The deployed environment and the image that tests run."""

    fargate: FargateLocal
    config: Config
    image: PinnedImage

    @property
    def cloud(self) -> Cloud:
        return Cloud.of(self.config)

    @property
    def ecs(self) -> Any:
        return client(self.cloud, "ecs")

    def audits(self, pipeline: str) -> list[AuditRecord]:
        return read_audits(self.cloud, self.config.storage.results_bucket, "local", pipeline)

    def running(self) -> list[str]:
        arns: list[str] = self.ecs.list_tasks(cluster=self.config.ecs.cluster)["taskArns"]
        return arns


@pytest.fixture(scope="module")  # it sets variables that tests of other folders must not see
def platform(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state = tmp_path_factory.mktemp("platform")
    patch = pytest.MonkeyPatch()
    with FargateLocal(store=state / "images") as fargate:
        for name, value in {**FAST, **fargate.environment}.items():
            patch.setenv(name, value)
        patch.setenv("DATAVISION_ENV", "local")
        patch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
        patch.setenv("DATAVISION_STATE_DIR", str(state))
        patch.setenv("DATAVISION_AWS__ENDPOINT_URL", fargate.url)
        patch.chdir(repository)
        config = configuration.load()
        deploy(config)
        yield Platform(fargate, config, release(fargate, config, state))
    patch.undo()


def release(fargate: FargateLocal, config: Config, state: Path) -> PinnedImage:
    """Make an image of this environment's Python and `datavision-run`, and register its task definition."""
    binaries = state / "image" / "app" / ".venv" / "bin"
    binaries.mkdir(parents=True)
    entry_point = Path(sysconfig.get_path("scripts")) / "datavision-run"
    for name, target in (("python", sys.executable), ("datavision-run", entry_point)):
        (binaries / name).write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        (binaries / name).chmod(0o755)
    stored = ImageStore(state / "images").commit(state / "image", {"Entrypoint": ["datavision-run"], "Env": []})
    repository = config.repository("ingesta")
    ecr = boto3.client("ecr", **fargate.client_args)
    ecr.put_image(repositoryName=repository, imageManifest=stored.manifest, imageDigest=stored.digest, imageTag="0.1.0")
    revision = TaskDefinitions(config).ensure("ingesta", repository, stored.digest)
    return PinnedImage(repository=repository, tag="0.1.0", digest=stored.digest, task_definition=revision)


@dataclass
class Store:
    """Airflow's task state store: survives tries."""

    values: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


@dataclass
class Airflow:
    """Repeats a task as Airflow does: by the operator's retry policy, up to its retries."""

    platform: Platform
    job: Job
    mode: str = "worker"
    retries: int = 3
    store: Store = field(default_factory=Store)
    said: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    tries: int = 0
    start_deadline: float | None = None

    def host(self, **changes: Any) -> Host:
        job = replace(self.job, try_number=max(self.tries, 1), **changes)
        config = self.platform.config
        if self.start_deadline is not None:
            limits = config.ecs.launch.model_copy(update={"start_deadline_seconds": self.start_deadline})
            config = config.model_copy(update={"ecs": config.ecs.model_copy(update={"launch": limits})})
        return Host(job, config, self.platform.cloud, self.store, self.said.append, self.said.append)

    def run(self) -> Finished:
        """Run until it succeeds, or raise what Airflow would show."""
        while True:
            self.tries += 1
            try:
                return self.one_try(Lifecycle(self.host()))
            except FargateError as error:
                decision = FailureTablePolicy().evaluate(error, self.tries, self.retries)
                if decision.action is RetryAction.FAIL or self.tries > self.retries:
                    raise

    def one_try(self, lifecycle: Lifecycle) -> Finished:
        step: Step = lifecycle.begin()
        while True:
            match step:
                case Finished():
                    return step
                case Pausing():
                    time.sleep(step.seconds)
                    step = lifecycle.begin()
                case Waiting():
                    step = lifecycle.settle(self.wait(step))

    def wait(self, step: Waiting) -> dict[str, Any] | None:
        if self.mode == "worker":
            cluster = self.platform.config.ecs.cluster
            task, _ = wait_in_worker(self.platform.cloud, cluster, step.watch, step.stream, self.logged.append)
            return task
        return asyncio.run(self._triggered(step))

    async def _triggered(self, step: Waiting) -> dict[str, Any] | None:
        async for event in self.trigger(step).run():
            task: dict[str, Any] | None = event.payload["task"]
            return task
        raise AssertionError("the trigger ended without an event")

    def trigger(self, step: Waiting) -> FargateTrigger:
        return FargateTrigger.of(self.host(), step)

    def launches(self) -> int:
        """Containers that were created for this task."""
        arns = set()
        for status in ("RUNNING", "STOPPED"):
            pages = self.platform.ecs.get_paginator("list_tasks").paginate(
                cluster=self.platform.config.ecs.cluster, family="datavision-local-ingesta", desiredStatus=status
            )
            arns |= {arn for page in pages for arn in page["taskArns"]}
        count = 0
        for start in range(0, len(arns), 100):
            answer = self.platform.ecs.describe_tasks(
                cluster=self.platform.config.ecs.cluster, tasks=sorted(arns)[start : start + 100], include=["TAGS"]
            )
            count += sum(read_tags(task["tags"])["run"] == self.job.key.run_id for task in answer["tasks"])
        return count


def a_job(image: PinnedImage, run_id: str, command: list[str], **changes: Any) -> Job:
    job = Job(
        key=TaskKey("local", "pipeline_suscripciones", run_id, "ingesta"),
        try_number=1,
        generation=3,
        run_date=date(2026, 11, 23),
        module="ingesta",
        image=image,
        release="0.1.0",
        command=tuple(command),
        environment={},
        declared=SMALL,
        max_memory=2048,
        capacity="on-demand",
    )
    return replace(job, **changes)


@pytest.fixture(params=["worker", "triggerer"])
def mode(request: pytest.FixtureRequest) -> str:
    """Where the waiting is done."""
    return str(request.param)


@pytest.fixture
def quick_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second, instead of 20, until an unknown task counts as forgotten."""
    for module in ("waiting.watch", "attempt.lifecycle"):
        monkeypatch.setattr(f"datavision.fargate.{module}.MISSING_GRACE_SECONDS", 0.5)


@pytest.fixture
def airflow(platform: Platform, request: pytest.FixtureRequest) -> Iterator[Callable[..., Airflow]]:
    """Make a task that runs a shell script; nothing of it is left running afterwards."""

    def make(
        script: str, mode: str = "worker", retries: int = 3, start_deadline: float | None = None, **changes: Any
    ) -> Airflow:
        run_id = f"{request.node.name}-{time.time_ns()}"
        job = a_job(platform.image, run_id, ["sh", "-c", script], **changes)
        return Airflow(platform, job, mode, retries, start_deadline=start_deadline)

    yield make
    platform.fargate.clear_faults()
    for arn in platform.running():
        platform.ecs.stop_task(cluster=platform.config.ecs.cluster, task=arn, reason="the test has ended")
