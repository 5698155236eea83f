"""Runs a new image once, as a real ECS task, before it is pinned: launched, watched and judged like a DAG's."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.edge import logs
from datavision.fargate.edge.ecs_tasks import StopReason, stop
from datavision.fargate.launching.budget import LaunchBudget
from datavision.fargate.launching.network import network
from datavision.fargate.launching.request import Payload, Placement, Refusal, RefusedError, build_request, run_task
from datavision.fargate.outcome.classify import Outcome, Wanted, classify
from datavision.fargate.sizing.sizes import validate
from datavision.fargate.waiting.in_worker import wait_in_worker
from datavision.fargate.waiting.watch import Watch
from datavision.release.errors import CanaryError

COMMAND = "doctor"
RUN_SECONDS = 300
"""How long a doctor may take once its task could have started."""
_LOG_LINES = 20


def run_canary(config: Config, module: str, task_definition: str, digest: str) -> None:
    """Run the module's `doctor` on `task_definition` to its end.

    Raises:
        CanaryError: It did not start, did not end in time, ran another image, or found something wrong.
    """
    cloud = Cloud.of(config)
    arn = _launch(config, cloud, module, task_definition)
    launched_at = time.time()
    start_by = launched_at + config.ecs.launch.start_deadline_seconds
    watch = Watch(
        arn=arn,
        wanted=Wanted(module, digest, start_by, start_by + RUN_SECONDS),
        launched_at=launched_at,
        usual_seconds=None,
        min_interval=config.ecs.wait.min_interval_seconds,
        max_interval=config.ecs.wait.max_interval_seconds,
        missing_grace=config.ecs.wait.missing_grace_seconds,
    )
    stream = logs.LogStream.of(config.observability.log_group, module, arn)
    try:
        task, _ = wait_in_worker(cloud, config.ecs.cluster, watch, stream, lambda _: None)
    except BaseException:
        stop(client(cloud, "ecs"), config.ecs.cluster, arn, StopReason.RELEASE)
        raise
    _judge(cloud, stream, module, task, digest)


def _launch(config: Config, cloud: Cloud, module: str, task_definition: str) -> str:
    """Return the ARN of the canary's task, launched within the launch budget.

    Raises:
        CanaryError: ECS did not start it.
    """
    ecs, size = config.ecs, config.sizes[config.modules[module].size]
    place, began = network(cloud, ecs), time.monotonic()
    command = (module, COMMAND, "--env", config.env)
    payload = Payload(task_definition, module, command, {}, validate(size.cpu, size.memory))
    launch, token = 1, uuid.uuid4().hex
    while True:
        target = Placement(ecs.cluster, place.subnet(launch), place.security_groups, ecs.platform_version, "on-demand")
        try:
            return run_task(client(cloud, "ecs"), build_request(payload, target, "datavision-release", []), token)
        except RefusedError as refused:
            delay = LaunchBudget(ecs.launch).next_delay(launch, time.monotonic() - began)
            if refused.refusal is Refusal.PERMANENT or delay is None:
                raise CanaryError(
                    f"ECS did not start the canary of {module} ({task_definition}): {refused}. Release again."
                ) from None
            if refused.refusal is Refusal.REJECTED:
                # Another subnet is another request and needs another token; without an answer both stay the same.
                launch, token = launch + 1, uuid.uuid4().hex
        time.sleep(delay)


def _judge(cloud: Cloud, stream: logs.LogStream, module: str, task: Mapping[str, Any] | None, digest: str) -> None:
    if task is None:
        raise CanaryError(f"ECS forgot the canary of {module} before it had ended. Release again.")
    ending = classify(task, module, digest)
    if ending.outcome is Outcome.SUCCESS:
        return
    if ending.outcome is Outcome.DIGEST:
        raise CanaryError(
            f"The canary of {module} ran {ending.digest}, not {digest} as pushed. "
            "Nothing that runs was changed; release again."
        )
    lines = logs.last_lines(cloud, stream, _LOG_LINES)
    tail = (
        " The end of its log:\n" + "\n".join(f"  {line}" for line in lines) + "\n" if lines else " It logged nothing."
    )
    if ending.outcome is Outcome.TIMEOUT:
        raise CanaryError(f"The canary of {module} did not end in time and was stopped.{tail} Release again.")
    exit_code = "none" if ending.exit_code is None else ending.exit_code
    raise CanaryError(
        f"The canary of {module} failed (exit {exit_code}: {ending.reason or 'no reason given'})."
        f"{tail} Nothing that runs was changed; fix it and release again."
    )
