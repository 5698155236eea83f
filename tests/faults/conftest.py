"""A cloud that really runs containers and fails on demand, with the environment `local` deployed into it.

`Airflow` here is what Airflow does with a task, and no more: it runs the real operator try after try by the operator's
own retry policy, and the real trigger in between. The real Airflow is in `test_chaos.py`.
"""

import asyncio
import json
import pkgutil
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import BaseTrigger
from tests.support.cloud import pointing_to

from datavision import config as configuration
from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.job import Job
from datavision.fargate.attempt.steps import Step, Waiting
from datavision.fargate.identity import TaskKey, read_tags
from datavision.fargate.operator.decorator import _FargateDecoratedOperator
from datavision.fargate.operator.operator import FargateOperator
from datavision.fargate.operator.retry_policy import FailureTablePolicy
from datavision.fargate.operator.trigger import FargateTrigger
from datavision.fargate.outcome.audit import AuditRecord, read_audits
from datavision.fargate.outcome.errors import FargateError
from datavision.fargate.sharing.session import Session
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
    "DATAVISION_ECS__WAIT__WORKER_SECONDS": "0",  # what defers does so at once; test_brief_wait.py is about the rest
    "DATAVISION_MODULES__INGESTA__STOP_TIMEOUT_SECONDS": "2",
    "DATAVISION_MODULES__INGESTA__SECRETS": "[]",
}
SMALL = FargateSize(256, 512)
Inject = Callable[..., int]
DEFINING = Lock()
IDLE_SECONDS = 5.0
SESSION = {"name": "compartido", "idle_seconds": IDLE_SECONDS}


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
        return read_audits(self.cloud, self.config.storage.audit_bucket, "local", pipeline)

    def running(self) -> list[str]:
        arns: list[str] = self.ecs.list_tasks(cluster=self.config.ecs.cluster)["taskArns"]
        return arns


@pytest.fixture(scope="session")
def deployed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, dict[str, str]]]:
    """The deployed environment, and the variables that lead to it."""
    state = tmp_path_factory.mktemp("platform")
    with FargateLocal(store=state / "images") as fargate:
        variables = {
            **FAST,
            **pointing_to(fargate, repository),
            "DATAVISION_ENV": "local",
            "DATAVISION_STATE_DIR": str(state),
        }
        with pytest.MonkeyPatch.context() as patch:
            enter(variables, repository, patch)
            config = configuration.load()
            deploy(config)
            made = Platform(fargate, config, release(fargate, config, state))
        yield made, variables


@pytest.fixture(scope="module")  # it sets variables that tests of other folders must not see
def platform(deployed: tuple[Platform, dict[str, str]], repository: Path) -> Iterator[Platform]:
    made, variables = deployed
    with pytest.MonkeyPatch.context() as patch:
        enter(variables, repository, patch)
        yield made


def enter(variables: dict[str, str], folder: Path, patch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        patch.setenv(name, value)
    patch.chdir(folder)


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

    def set(self, key: str, value: Any, retention: timedelta | None = None) -> None:
        self.values[key] = value


@dataclass
class Log:
    """A task's log in Airflow."""

    lines: list[str]

    def info(self, text: str, *arguments: Any) -> None:
        self.lines.append(text % arguments if arguments else text)

    warning = error = info


@dataclass(frozen=True)
class Done:
    """A task that succeeded."""

    xcom: Any
    audit: AuditRecord


@dataclass
class Airflow:
    """Runs a task as Airflow does: the operator, its triggers, and its retry policy, up to its retries."""

    platform: Platform
    job: Job
    mode: str = "worker"
    retries: int = 3
    steps: tuple[str, ...] = ()
    """Tasks of one session, in their order, this one among them; it runs in their containers."""
    traceparent: str = ""
    """Of this try's span in Airflow's own traces; empty: they are off."""
    make_command: Callable[..., Any] | None = None
    """A decorated function to run, instead of the job's command."""
    store: Store = field(default_factory=Store)
    said: list[str] = field(default_factory=list)
    """The task's log: the operator's sentences, and the container's lines."""
    tries: int = 0
    on_deferred: Callable[[FargateTrigger], None] = lambda trigger: None
    """Called when the task has been given to the triggerer."""
    on_stopped: Callable[[FargateTrigger], None] = lambda trigger: None
    """Called when its trigger has fired, before the worker takes the task back."""

    @property
    def config(self) -> Config:
        """As the operator reads it: with what the test has set meanwhile."""
        return configuration.load()

    def host(self, **changes: Any) -> Host:
        session = (
            Session(str(SESSION["name"]), IDLE_SECONDS, tasks=self.steps, ends_after=self.steps[-1:])
            if self.steps
            else None
        )
        job = replace(self.job, try_number=max(self.tries, 1), session=session, **changes)
        return Host(job, self.config, self.platform.cloud, self.store, self.said.append, self.said.append)

    def operator(self) -> FargateOperator:
        """Return the operator as each worker process builds it anew."""
        job = self.job
        arguments: dict[str, Any] = {
            "task_id": job.key.task_id,
            "module": job.module,
            "cpu": job.declared.cpu,
            "memory": job.declared.memory,
            "max_memory": job.max_memory,
            "capacity": job.capacity,
            "image": {"release": job.release, **job.image.model_dump()},
            "execution_timeout": job.execution_timeout and timedelta(seconds=job.execution_timeout),
            "deferrable": self.mode != "worker",
            "session": SESSION if self.steps else None,
        }
        if self.steps:
            # What is being defined belongs to the process, not to the thread.
            with DEFINING, DAG(job.key.dag_id):
                tasks = [self._heard(FargateOperator)(**arguments | {"task_id": name}) for name in self.steps]
                for before, after in pairwise(tasks):
                    before >> after
            found = next(task for task in tasks if task.task_id == job.key.task_id)
            found.command = list(job.command())
            return found
        if self.make_command is None:
            return self._heard(FargateOperator)(command=list(job.command()), **arguments)
        return self._heard(_FargateDecoratedOperator)(python_callable=self.make_command, **arguments)

    def _heard(self, kind: type[FargateOperator]) -> type[FargateOperator]:
        """Return the operator with its log kept in `said`."""
        return type(kind.__name__, (kind,), {"log": property(lambda _: Log(self.said))})

    def context(self) -> Any:
        key = self.job.key
        instance = SimpleNamespace(
            dag_id=key.dag_id,
            run_id=key.run_id,
            task_id=key.task_id,
            map_index=key.map_index,
            try_number=self.tries,
            max_tries=self.job.generation,
            xcom_push=lambda key, value: None,
            context_carrier={"traceparent": self.traceparent} if self.traceparent else None,
        )
        run = SimpleNamespace(
            run_after=datetime(2026, 11, 23, 12, tzinfo=UTC),
            logical_date=None,
            clear_number=0,
            run_type=DagRunType.MANUAL,
            triggering_user_name="ana",
            conf={"fecha_rfm": "2026-06-30"},
        )
        return {"ti": instance, "dag_run": run, "params": {}, "task_state_store": self.store, "outlet_events": {}}

    def run(self) -> Done:
        """Run until it succeeds, or raise what Airflow would show."""
        while True:
            self.tries += 1
            try:
                xcom = self.one_try()
            except FargateError as error:
                decision = FailureTablePolicy().evaluate(error, self.tries, self.retries)
                if decision.action is RetryAction.FAIL or self.tries > self.retries:
                    raise
            else:
                return Done(xcom, self.audits()[-1])

    def one_try(self) -> Any:
        """Run one try to its end, through all its deferrals."""
        operator, context = self.operator(), self.context()
        act: Callable[[], Any] = partial(operator.execute, context)
        while True:
            try:
                return act()
            except TaskDeferred as deferral:
                self.on_deferred(deferral.trigger)
                arguments = {**(deferral.kwargs or {}), "event": asyncio.run(fired(deferral.trigger))}
                self.on_stopped(deferral.trigger)
                act = partial(self.operator().resume_execution, deferral.method_name, arguments, context)

    def audits(self) -> list[AuditRecord]:
        """Return the audit records of this run, in order of launch."""
        return [found for found in self.platform.audits(self.job.key.dag_id) if found.run_id == self.job.key.run_id]

    def wait(self, step: Step) -> dict[str, Any] | None:
        """Wait for a container that a test launched by itself."""
        assert isinstance(step, Waiting)
        cluster = self.config.ecs.cluster
        task, _ = wait_in_worker(self.platform.cloud, cluster, step.watch, step.stream, self.said.append)
        return task

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
        command=lambda: tuple(command),
        environment={},
        declared=SMALL,
        max_memory=2048,
        capacity="on-demand",
    )
    return replace(job, **changes)


@pytest.fixture(params=["worker", "triggerer", "shared"])
def mode(request: pytest.FixtureRequest) -> str:
    """Where the waiting is done; "shared": in the triggerer, for a step of a shared container."""
    return str(request.param)


@pytest.fixture
def quick_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second, instead of 20, until an unknown task counts as forgotten."""
    monkeypatch.setenv("DATAVISION_ECS__WAIT__MISSING_GRACE_SECONDS", "0.5")


@pytest.fixture
def inject(platform: Any) -> Inject:
    """Put a fault in force; the `airflow` fixture takes it out again."""

    def add(fault: str, **rule: Any) -> int:
        number: int = platform.fargate.add_fault(fault, **rule)
        return number

    return add


async def fired(trigger: BaseTrigger) -> Any:
    """Run a trigger as the triggerer does, from its serialised form, and return its event."""
    path, arguments = trigger.serialize()
    async for event in pkgutil.resolve_name(path)(**json.loads(json.dumps(arguments))).run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


@pytest.fixture
def airflow(platform: Platform, request: pytest.FixtureRequest) -> Iterator[Callable[..., Airflow]]:
    """Make a task that runs a shell script; nothing of it is left running afterwards."""

    def make(script: str, mode: str = "worker", retries: int = 3, **changes: Any) -> Airflow:
        run_id = f"{request.node.name}-{time.time_ns()}"
        job = a_job(platform.image, run_id, ["sh", "-c", script], **{"generation": retries, **changes})
        steps = (job.key.task_id,) if mode == "shared" else ()
        return Airflow(platform, job, mode, retries, steps)

    yield make
    platform.fargate.clear_faults()
    for arn in platform.running():
        platform.ecs.stop_task(cluster=platform.config.ecs.cluster, task=arn, reason="the test has ended")
