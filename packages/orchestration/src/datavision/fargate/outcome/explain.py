"""From what became of a task to the exception that says why and what to do next; free of I/O."""

from datavision.fargate.outcome import errors
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.errors import FargateError, Report

_ERRORS: dict[Outcome, tuple[type[FargateError], str, str]] = {
    Outcome.FAILED_START: (
        errors.RejectedLaunchError,
        "{task} did not start within its launch budget",
        "Airflow retries it. If it stays so: check the subnets' free addresses and the route to ECR and Secrets "
        "Manager, then raise [ecs.launch] in config/{env}.toml.",
    ),
    Outcome.SPOT: (
        errors.RejectedLaunchError,
        "{task} was interrupted on Spot until its launch budget was spent",
        'Airflow retries it. Use capacity = "spot-then-on-demand" for tasks that must not wait.',
    ),
    Outcome.KILLED: (
        errors.StoppedError,
        "{task} was stopped by Airflow until its launch budget was spent",
        "Airflow retries it. See the Airflow audit log for who cleared or failed it.",
    ),
    Outcome.PERMANENT_START: (
        errors.PermanentStartError,
        "{task} can never start as it is",
        "Run `datavision doctor --env {env}` and `datavision pins`: image, secrets, role and log group of the task "
        "definition must exist. Then clear the task.",
    ),
    Outcome.DIGEST: (
        errors.DigestMismatchError,
        "{task} ran another image than the pinned one and was stopped",
        "Someone moved the tag in the registry or changed the task definition. Run `datavision pins` to see the "
        "drift, then `datavision release --env {env}` and clear the task.",
    ),
    Outcome.BUSINESS: (
        errors.BusinessError,
        "{task} failed",
        "Airflow retries it. The last log lines say why; the runbook in the DAG's docs says what it writes.",
    ),
    Outcome.USAGE: (
        errors.UsageError,
        "{task} refused its command line or configuration",
        "Correct the parameters of the run or config/{env}.toml, release if it is the module, then clear the task.",
    ),
    Outcome.QUALITY: (
        errors.QualityError,
        "{task} found data that must not go on",
        "Correct the source, or the check's level in the module's configuration, then clear the task. "
        "Nothing downstream has run.",
    ),
    Outcome.MEMORY: (
        errors.OutOfMemoryError,
        "{task} was killed for want of memory",
        "Airflow retries it at once with the next Fargate size.",
    ),
    Outcome.TIMEOUT: (
        errors.TaskTimeoutError,
        "{task} ran longer than its execution_timeout and was stopped",
        "Airflow retries it. If it needs longer every day, raise execution_timeout or its size in the DAG.",
    ),
    Outcome.STOPPED: (
        errors.StoppedError,
        "{task} was stopped from outside Airflow",
        "Airflow retries it. CloudTrail's StopTask event says who stopped it.",
    ),
    Outcome.LOST: (
        errors.LostTaskError,
        "ECS no longer knows the container of {task}, and it left no result",
        "Airflow retries it. Modules repeat safely, so nothing has to be cleaned up.",
    ),
}

_CEILING_STEP = (
    "No larger size is allowed. Raise max_memory of the module in config/{env}.toml, or make the task need less; "
    "then clear it."
)


def explain(
    outcome: Outcome,
    ending: Ending,
    *,
    task: str,
    env: str,
    image: str,
    size: str,
    task_arn: str | None,
    log_lines: tuple[str, ...] = (),
    checks: tuple[str, ...] = (),
    at_ceiling: bool = False,
) -> FargateError:
    """Return the exception for an outcome other than success."""
    kind, what, step = _ERRORS[outcome]
    if at_ceiling:
        kind, step = errors.MemoryCeilingError, _CEILING_STEP
    return kind(
        Report(
            what=what.format(task=task) + ".",
            next_step=step.format(env=env),
            failure_class=outcome.value,
            stop_code=ending.stop_code,
            reason=ending.reason,
            exit_code=ending.exit_code,
            image=image,
            size=size,
            task_arn=task_arn or "",
            log_lines=log_lines,
            checks=checks,
        )
    )
