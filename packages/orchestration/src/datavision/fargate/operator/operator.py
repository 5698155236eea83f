"""The Airflow operator: builds the job from its context and carries out what the lifecycle decides."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferralError, TaskDeferralTimeout

from datavision import config as configuration
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Capacity, Config
from datavision.errors import ConfigError
from datavision.fargate.attempt.failure import log_stream
from datavision.fargate.attempt.host import PATIENCE_SECONDS, Host
from datavision.fargate.attempt.job import Asked, Job, Origin
from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.attempt.steps import Finished, Pausing, Step, Waiting
from datavision.fargate.edge import logs
from datavision.fargate.identity import TaskKey
from datavision.fargate.launching.release_record import released_image
from datavision.fargate.operator.assets import event_extra
from datavision.fargate.operator.links import EcsTaskLink, LogStreamLink, console_links
from datavision.fargate.operator.metrics import count
from datavision.fargate.operator.retry_policy import FailureTablePolicy
from datavision.fargate.operator.session import session_of
from datavision.fargate.operator.step_trigger import StepTrigger
from datavision.fargate.operator.task_state import TaskState
from datavision.fargate.operator.trigger import FargateTrigger, PauseTrigger
from datavision.fargate.outcome.cost import price_in
from datavision.fargate.sizing.sizes import FargateSize, validate
from datavision.fargate.waiting.in_worker import wait_briefly, wait_in_worker
from datavision.pins import PinnedImage, read_pin

CONCURRENT_LAUNCHES = 20
"""Instances of one mapped task that may launch or finish at once: Fargate launches 20 tasks a second (Fargate service
quotas, November 2026). Those that wait in the triggerer do not count."""


class FargateOperator(BaseOperator):
    """Runs one module's pinned image on Fargate and returns its result.

    Args:
        module: Business module; names the container, and the image in the pin.
        command: The container's command.
        size: Name of a size in the configuration; the module's own when neither it nor cpu and memory are given.
        cpu: CPU units, together with `memory`, instead of a named size.
        memory: MiB.
        max_memory: MiB up to which the task may grow after out-of-memory kills; the module's when not given.
        capacity: "on-demand", "spot" or "spot-then-on-demand"; the module's, else the environment's, when not given.
        environment: Variables for the container, besides those of its task definition.
        image: Release, repository, tag, digest and task_definition; read from the pin of the DAG when not given.
        aws_conn_id: Airflow connection; the standard credential chain when not given.
        deferrable: Wait in the triggerer instead of the worker, which then waits for a moment only.
        concurrent_launches: Limit on simultaneous launches of one mapped task in one run.
        session: What `fargate_session` gives its tasks: they share containers.

    Raises:
        ConfigError: The size is not one of Fargate's, the module is not configured, or the region has no price.
        PinError: The pipeline has no pin, or not for this module.
    """

    template_fields: Sequence[str] = ("command", "environment", "image")
    template_fields_renderers: ClassVar[dict[str, str]] = {"command": "py", "environment": "json", "image": "json"}
    overwrite_rtif_after_execution = True
    operator_extra_links = (LogStreamLink(), EcsTaskLink())
    ui_color = "#ffe8cc"

    def __init__(
        self,
        *,
        module: str,
        command: Sequence[str] | None = None,
        size: str | None = None,
        cpu: int | None = None,
        memory: int | None = None,
        max_memory: int | None = None,
        capacity: Capacity | None = None,
        environment: Mapping[str, str] | None = None,
        image: Mapping[str, str] | None = None,
        aws_conn_id: str | None = None,
        deferrable: bool = True,
        concurrent_launches: int = CONCURRENT_LAUNCHES,
        session: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("retry_policy", FailureTablePolicy())
        kwargs.setdefault("max_active_tis_per_dagrun", concurrent_launches)
        super().__init__(**kwargs)
        self.module = module
        self.command = command
        self.size = size
        self.cpu = cpu
        self.memory = memory
        self.max_memory = max_memory
        self.capacity = capacity
        self.environment = environment or {}
        self.image = image or pinned_image(Path(self.dag.fileloc).parent, self.dag_id, module)
        self.aws_conn_id = aws_conn_id
        self.deferrable = deferrable
        self.concurrent_launches = concurrent_launches
        self.session = session
        config = configuration.load()
        declared_size(config, module, size, cpu, memory)
        price_in(config.aws.region, config.ecs)
        self._lifecycle: Lifecycle | None = None

    def execute(self, context: Context) -> Any:
        """Launch, or take over what an earlier attempt left behind; then wait."""
        lifecycle = self._open(context)
        return self._guarded(context, lifecycle, lifecycle.begin)

    def resume(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Continue after the container has stopped, or after a pause between two launches."""
        lifecycle = self._open(context)
        if "task" not in event:
            return self._guarded(context, lifecycle, lifecycle.begin)
        # A triggerer that was restarted late may not report it; the one before saved its position.
        self._forward_log(lifecycle, event.get("log_position") or lifecycle.saved_log_position())
        return self._guarded(context, lifecycle, lambda: lifecycle.settle(event["task"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral, including one that timed out or whose trigger failed."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            lifecycle = self._open(context)
            try:
                return self._guarded(context, lifecycle, lifecycle.time_out)
            finally:
                self._forward_log(lifecycle, lifecycle.saved_log_position())
        except TaskDeferralError as error:
            # Not through the trigger again: what broke it once may break it every time.
            self.log.warning("The trigger failed (%s); waiting for the container in the worker", error)
            self.deferrable = False
            return self.execute(context)

    def on_kill(self) -> None:
        """Stop the container, wait until it is STOPPED, and show the rest of its log."""
        if self._lifecycle and self._lifecycle.live:
            lifecycle = self._lifecycle
            lifecycle.kill()
            self._forward_log(lifecycle, self._position)

    _position: str | None = None
    """How far the log was forwarded."""

    def _make_command(self, context: Context) -> Any:
        """Return the container's command; called once per try, before its first launch."""
        return self.command

    def _guarded(self, context: Context, lifecycle: Lifecycle, act: Any) -> Any:
        try:
            return self._carry_out(context, lifecycle, act())
        except AirflowTaskTimeout:
            return self._carry_out(context, lifecycle, lifecycle.time_out())
        except Exception:
            if context["ti"].try_number > context["ti"].max_tries:
                # Nobody will come back for the container.
                lifecycle.kill()
            raise

    def _carry_out(self, context: Context, lifecycle: Lifecycle, step: Step) -> Any:
        while True:
            match step:
                case Finished():
                    self._update_assets(context, step)
                    return step.xcom
                case Waiting():
                    self._show(context, lifecycle, step)
                    step = self._wait(lifecycle, step)
                case Pausing():
                    step = self._pause(lifecycle, step)

    def _wait(self, lifecycle: Lifecycle, step: Waiting) -> Step:
        config, cloud = lifecycle.host.config, lifecycle.host.cloud
        if self.deferrable:
            if (task := self._wait_briefly(lifecycle, step)) is not None:
                self._forward_log(lifecycle, None)
                return lifecycle.settle(task)
            self.defer(
                trigger=(StepTrigger if step.launch.step else FargateTrigger).of(lifecycle.host, step),
                method_name="resume",
                timeout=None if step.timeout is None else timedelta(seconds=step.timeout),
            )
        task, self._position = wait_in_worker(
            cloud,
            config.ecs.cluster,
            step.watch,
            step.stream,
            self._emit,
            look=lambda: lifecycle.launcher.describe(step.launch),
        )
        self._forward_log(lifecycle, self._position)
        return lifecycle.settle(task)

    def _wait_briefly(self, lifecycle: Lifecycle, step: Waiting) -> dict[str, Any] | None:
        """Return the stopped task, or None for one that the triggerer shall wait for."""
        launch, usual, limit = step.launch, step.watch.usual_seconds, lifecycle.host.config.ecs.wait.worker_seconds
        # Of a step nothing but itself is waited for; of a container, its start as well.
        if (usual is None and not launch.step) or (usual or 0.0) > limit or not limit:
            return None
        launcher = lifecycle.launcher
        return wait_briefly(lambda: launcher.describe(launch), lambda: launcher.has_ended(launch), limit)

    def _pause(self, lifecycle: Lifecycle, step: Pausing) -> Step:
        if self.deferrable:
            self.log.info("Nothing is running; the next launch follows in %.0f s", step.seconds)
            self.defer(trigger=PauseTrigger(since=time.time(), seconds=step.seconds), method_name="resume")
        time.sleep(step.seconds)
        return lifecycle.begin()

    def _open(self, context: Context) -> Lifecycle:
        config = configuration.load()
        cloud = Cloud.of(config, self.aws_conn_id)
        host = Host(
            job=self._job(context, config, cloud),
            config=config,
            cloud=cloud,
            store=TaskState(context["task_state_store"]),
            say=self.log.info,
            warn=self.log.warning,
            count=count,
            patience=PATIENCE_SECONDS if self.deferrable else math.inf,
        )
        self._lifecycle = Lifecycle(host)
        return self._lifecycle

    def _job(self, context: Context, config: Config, cloud: Cloud) -> Job:
        instance, dag_run = context["ti"], context["dag_run"]
        module = _module(config, self.module)
        self._choose_release(context, config, cloud)
        return Job(
            key=TaskKey(config.env, instance.dag_id, instance.run_id, instance.task_id, _index(instance.map_index)),
            try_number=instance.try_number,
            generation=instance.max_tries,
            run_date=day_of(dag_run.run_after),
            module=self.module,
            image=PinnedImage.model_validate({k: v for k, v in self.image.items() if k != "release"}),
            release=self.image["release"],
            command=lambda: _checked_command(self._make_command(context)),
            environment=self.environment,
            declared=declared_size(config, self.module, self.size, self.cpu, self.memory),
            max_memory=self.max_memory or module.max_memory,
            capacity=self.capacity or module.capacity or config.ecs.capacity,
            execution_timeout=self.execution_timeout.total_seconds() if self.execution_timeout else None,
            asked=Asked(dag_run.run_type.value, dag_run.triggering_user_name, dag_run.conf or {}),
            origin=Origin(
                at=dag_run.logical_date or dag_run.run_after,
                clear_number=dag_run.clear_number or 0,
                traceparent=(getattr(instance, "context_carrier", None) or {}).get("traceparent", ""),
            ),
            session=session_of(self) if self.session else None,
        )

    def _choose_release(self, context: Context, config: Config, cloud: Cloud) -> None:
        """Use the images of the release that this run asked for, if it did."""
        asked = str(context["params"].get("release") or "").removeprefix("v")
        if asked and asked != self.image["release"]:
            image = released_image(cloud, config, asked, self.module)
            self.image = {"release": asked, **image.model_dump()}
            self.log.info("This run asked for release %s instead of the pinned one", asked)

    def _emit(self, line: str) -> None:
        self.log.info("%s", line)

    def _forward_log(self, lifecycle: Lifecycle, position: str | None) -> None:
        last = lifecycle.last_launch()
        if last is None or last.arn is None:
            return
        lines, self._position = logs.read_on(lifecycle.host.cloud, log_stream(lifecycle.host, last), position)
        for line in lines:
            self._emit(line)

    def _show(self, context: Context, lifecycle: Lifecycle, step: Waiting) -> None:
        """Show in the UI what was launched, and where to look."""
        self.command = list(step.launch.command)
        for key, url in console_links(lifecycle.host.config, step.stream, step.watch.arn).items():
            context["ti"].xcom_push(key, url)

    def _update_assets(self, context: Context, done: Finished) -> None:
        """Record on every asset that this task wrote what produced it."""
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra = event_extra(outlet.name, done.result, done.audit)


def pinned_image(dags_folder: Path, pipeline: str, module: str) -> dict[str, str]:
    """Return the pinned image of a module, with its release, in the operator's format.

    Raises:
        PinError: The pipeline has no pin in this environment, or not for this module.
    """
    pin = read_pin(dags_folder, configuration.current_env(), pipeline)
    return {"release": pin.version, **pin.image(module).model_dump()}


def declared_size(config: Config, module: str, size: str | None, cpu: int | None, memory: int | None) -> FargateSize:
    """Return the Fargate size that a task declares.

    Raises:
        ConfigError: It is not one of Fargate's, or not configured.
    """
    if (cpu is None) != (memory is None) or (cpu is not None and size is not None):
        raise ConfigError("A task takes either size, or cpu and memory together.")
    if cpu is not None and memory is not None:
        return validate(cpu, memory)
    name = size or _module(config, module).size
    if name not in config.sizes:
        raise ConfigError(
            f"There is no size {name!r}. config/{config.env}.toml has: {', '.join(sorted(config.sizes))}."
        )
    named = config.sizes[name]
    return validate(named.cpu, named.memory)


def _index(map_index: int | None) -> int:
    return -1 if map_index is None else map_index


def _module(config: Config, name: str) -> configuration.Module:
    try:
        return config.modules[name]
    except KeyError:
        raise ConfigError(
            f"There is no module {name!r}. config/{config.env}.toml has: {', '.join(sorted(config.modules)) or 'none'}."
        ) from None


def _checked_command(command: Any) -> tuple[str, ...]:
    valid = isinstance(command, list | tuple) and command and all(isinstance(part, str) for part in command)
    if not valid:
        raise ConfigError(f"A @task.fargate function returns the command as a non-empty list of str, not {command!r}.")
    return tuple(command)
