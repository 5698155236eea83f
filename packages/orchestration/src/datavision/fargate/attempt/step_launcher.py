"""Runs one task instance as a step of a shared container, and launches that container where there is none.

What the launcher promises of a container holds for the step: it is posted with a token into an inbox where each slot is
written once; the container runs a token once; and the step goes into another container only when ECS says that the one
before has stopped, or when it was never posted there.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from datavision.fargate import identity
from datavision.fargate.attempt.host import Host
from datavision.fargate.attempt.launcher import Launcher
from datavision.fargate.attempt.steps import Pausing
from datavision.fargate.edge import ecs_tasks
from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.edge.logs import LogStream
from datavision.fargate.launching import record
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.launching.request import Refusal, RefusedError, for_container, run_task
from datavision.fargate.outcome.results import RESULT_URI_VARIABLE, fetch
from datavision.fargate.sharing.container import SharedContainer, SharedContainers
from datavision.fargate.sharing.session import Session
from datavision.fargate.sharing.step import as_task
from datavision.fargate.sizing.memory import recall
from datavision.fargate.sizing.sizes import FargateSize, choose

POLL_SECONDS = 0.5


class StepLauncher(Launcher):
    """Plans steps, posts them, finds, describes and stops them."""

    def resubmit(self, previous: LaunchRecord) -> LaunchRecord | Pausing | None:
        """Return the launch with the container whose inbox has it; post it if none does."""
        found = self.find(previous)
        if found is None:
            return self.submit(previous)
        record.write_launch(self.host.store, found)
        return found

    def obtain(self, intent: LaunchRecord) -> LaunchRecord:
        """Post the step into the inbox of a container that runs, or will."""
        while True:
            container = self._container(intent)
            step = self._step(intent, container)
            if self._containers.inbox(container.number).start(step):
                return self._in(container, replace(intent, step=step))

    def find(self, previous: LaunchRecord) -> LaunchRecord | None:
        """Return the launch with the container whose inbox has it, or None when none does."""
        container = self._containers.holding(previous.token)
        if container is None or container.arn is None:
            return None
        return self._in(container, replace(previous, step=self._step(previous, container)))

    def describe(self, launched: LaunchRecord) -> dict[str, Any] | None:
        """Return the step in the shape of a task, or None when ECS forgot its container and it left no report."""
        container = super().describe(launched)
        return as_task(container, fetch(self.host.cloud, self.host.bucket, launched.result_key), self.host.job.module)

    def has_ended(self, launched: LaunchRecord) -> bool:
        """Return whether there is a report."""
        return fetch(self.host.cloud, self.host.bucket, launched.result_key) is not None

    def stop(self, launched: LaunchRecord, reason: StopReason, limit_seconds: float) -> dict[str, Any] | None:
        """End the step; where its container does not answer, the container, whose other steps go on in another."""
        deadline = self.host.now() + limit_seconds
        task = self.describe(launched)
        if not _ended(task):
            inbox = self._containers.inbox(launched.container)
            inbox.stop(launched.token, f"s3://{self.host.bucket}/{launched.result_key}", reason.value)
        while not _ended(task) and self.host.now() < deadline:
            self.host.sleep(POLL_SECONDS)
            task = self.describe(launched)
        if not _ended(task):
            self.host.warn(f"The shared container {launched.arn} does not answer; stopping it")
            super().stop(launched, reason, limit_seconds)
            task = self.describe(launched)
        return task

    @property
    def _session(self) -> Session:
        return session_of(self.host)

    @cached_property
    def _containers(self) -> SharedContainers:
        return shared_containers(self.host)

    def _container(self, intent: LaunchRecord) -> SharedContainer:
        """Return a launched container that takes the step.

        Raises:
            RefusedError: ECS does not launch it, or gave no answer.
        """
        newest = self._containers.newest()
        if newest is None or not self._takes(newest, intent):
            if newest:
                self._containers.inbox(newest.number).close("replaced by another container")
            newest = self._containers.plan(self._planned(intent, newest.number + 1 if newest else 1))
        if newest.arn:
            return newest
        try:
            return self._containers.launched(newest, run_task(self._ecs(), newest.request, newest.token))
        except RefusedError as refused:
            if refused.refusal not in (Refusal.THROTTLED, Refusal.UNKNOWN):
                # Another may be granted: in another subnet, on demand, after the request was corrected.
                self._containers.inbox(newest.number).close(str(refused))
            raise

    def _takes(self, container: SharedContainer, intent: LaunchRecord) -> bool:
        fits = container.digest == self.host.job.image.digest and container.memory >= intent.memory
        if not fits or self._containers.inbox(container.number).is_closed():
            return False
        age = self.host.now() - container.intended_at
        if container.arn is None:
            return age < record.TOKEN_SECONDS
        task = ecs_tasks.describe(self._ecs(), self._cluster, container.arn)
        if task is None:
            return age < self.host.config.ecs.wait.missing_grace_seconds
        return "STOPPED" not in (task["lastStatus"], task["desiredStatus"])

    def _planned(self, intent: LaunchRecord, number: int) -> SharedContainer:
        job, containers = self.host.job, self._containers
        token = identity.client_token(containers.key, number, 0, job.image.digest)
        size, why = self._size(intent)
        serving = {
            "uri": containers.inbox(number).uri,
            "idle_seconds": self._session.idle_seconds,
            "ends_after": self._session.ends_after,
            "memory_mib": size.memory,
            "module": job.module,
        }
        tags = identity.tags(containers.key, number, 0, job.release, token, shared=True)
        return SharedContainer(
            number=number,
            token=token,
            digest=job.image.digest,
            request=for_container(intent.request, self._session.name, serving, size, tags),
            market=intent.market,
            cpu=size.cpu,
            memory=size.memory,
            why_size=why,
            intended_at=self.host.now(),
        )

    def _size(self, intent: LaunchRecord) -> tuple[FargateSize, str]:
        """Return a size that is enough for this step, and for what the others needed in earlier runs."""
        job, size, why = self.host.job, intent.size, intent.why_size
        for task_id in self._session.tasks:
            remembered = recall(self.host.cloud, self.host.bucket, replace(job.key, task_id=task_id, map_index=-1))
            choice = choose(job.declared, remembered, None, job.max_memory)
            if choice.size.memory > size.memory:
                size, why = choice.size, f"{task_id}: {choice.why}"
        return size, why

    def _step(self, intent: LaunchRecord, container: SharedContainer) -> dict[str, Any]:
        job, config = self.host.job, self.host.config
        sent = intent.request["overrides"]["containerOverrides"][0]
        module = config.modules.get(job.module)
        of_container = LogStream.of(config.observability.log_group, job.module, str(container.arn))
        return {
            "token": intent.token,
            "name": job.key.file_stem,
            "command": sent["command"],
            "environment": _variables(sent),
            "result_uri": f"s3://{self.host.bucket}/{intent.result_key}",
            "log_group": of_container.group,
            "log_stream": f"{of_container.name}/{job.key.file_stem}-{intent.try_number}-{intent.launch}",
            "stop_seconds": module.stop_timeout_seconds if module else 30,
        }

    def _in(self, container: SharedContainer, intent: LaunchRecord) -> LaunchRecord:
        placed = replace(
            intent,
            request=container.request,
            market=container.market,
            cpu=container.cpu,
            memory=container.memory,
            why_size=container.why_size,
            container=container.number,
        )
        return placed.with_arn(str(container.arn), self.host.now())


def shared_containers(host: Host) -> SharedContainers:
    """Return the containers of the session that a task instance belongs to."""
    key = replace(host.job.key, task_id=session_of(host).name, map_index=-1)
    return SharedContainers(host.cloud, host.bucket, key)


def session_of(host: Host) -> Session:
    """Return the session that a task instance belongs to.

    Raises:
        TypeError: It has a container of its own.
    """
    if host.job.session is None:
        raise TypeError(f"{host.job.name} shares no container")
    return host.job.session


def _ended(task: Mapping[str, Any] | None) -> bool:
    return task is None or task["lastStatus"] == "STOPPED"


def _variables(override: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in override["environment"] if item["name"] != RESULT_URI_VARIABLE}
