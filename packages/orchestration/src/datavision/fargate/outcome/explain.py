"""Turns a task's outcome into the exception that says why and what to do next; free of I/O."""

from dataclasses import dataclass

from datavision.fargate.outcome import errors
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.errors import FailedCheck, FargateError, Report


@dataclass(frozen=True)
class _Explanation:
    """What to say about one outcome; the texts are formatted with the task and its environment."""

    error: type[FargateError]
    what: str
    step: str
    retried: str = ""
    """What Airflow does by itself while tries are left; empty when the class fails at once."""


_RETRIED = "Airflow retries it."
_LAST = "This was the last try, so Airflow will not retry it: clear the task to run it again."
_ERRORS: dict[Outcome, _Explanation] = {
    Outcome.FAILED_START: _Explanation(
        errors.RejectedLaunchError,
        "{task} did not start within its launch budget",
        "If it keeps failing, check the subnets' free addresses and the route to ECR and Secrets "
        "Manager, then raise [ecs.launch] in config/{env}.toml.",
        _RETRIED,
    ),
    Outcome.SPOT: _Explanation(
        errors.RejectedLaunchError,
        "{task} was interrupted on Spot until its launch budget was spent",
        'Use capacity = "spot-then-on-demand" for tasks that must not wait.',
        _RETRIED,
    ),
    Outcome.KILLED: _Explanation(
        errors.StoppedError,
        "{task} was stopped by Airflow until its launch budget was spent",
        "See the Airflow audit log for who cleared or failed it.",
        _RETRIED,
    ),
    Outcome.PERMANENT_START: _Explanation(
        errors.PermanentStartError,
        "{task} can never start as it is",
        "Run `datavision doctor --env {env}` and `datavision pins`: image, secrets, role and log group of the task "
        "definition must exist. Then clear the task.",
    ),
    Outcome.DIGEST: _Explanation(
        errors.DigestMismatchError,
        "{task} ran another image than the pinned one and was stopped",
        "Someone moved the tag in the registry or changed the task definition. Run `datavision pins` to see the "
        "drift, then `datavision release --env {env}` and clear the task.",
    ),
    Outcome.BUSINESS: _Explanation(
        errors.BusinessError,
        "{task} failed",
        "The last log lines say why; the runbook in the DAG's docs says what it writes.",
        _RETRIED,
    ),
    Outcome.USAGE: _Explanation(
        errors.UsageError,
        "{task} rejected its command line or configuration",
        "Fix the parameters of the run, config/{env}.toml or the module (then release it), and clear the task.",
    ),
    Outcome.QUALITY: _Explanation(
        errors.QualityError,
        "{task} found data that fails its quality checks",
        "Correct the source, or the check's level in the module's configuration, then clear the task. "
        "Nothing downstream has run.",
    ),
    Outcome.MEMORY: _Explanation(
        errors.OutOfMemoryError,
        "{task} ran out of memory and was killed",
        "Its need is remembered: the next try uses the next larger Fargate size.",
        "Airflow retries it at once.",
    ),
    Outcome.TIMEOUT: _Explanation(
        errors.TaskTimeoutError,
        "{task} ran longer than its execution_timeout and was stopped",
        "If it takes longer every day, increase execution_timeout or its size in the DAG.",
        _RETRIED,
    ),
    Outcome.STOPPED: _Explanation(
        errors.StoppedError,
        "{task} was stopped from outside Airflow",
        "CloudTrail's StopTask event says who stopped it.",
        _RETRIED,
    ),
    Outcome.LOST: _Explanation(
        errors.LostTaskError,
        "ECS no longer knows the container of {task}, and it left no result",
        "Modules can be rerun safely, so nothing has to be cleaned up.",
        _RETRIED,
    ),
}

_AT_CEILING = _Explanation(
    errors.MemoryCeilingError,
    _ERRORS[Outcome.MEMORY].what,
    "No larger size is allowed. Increase the module's max_memory in config/{env}.toml, or reduce what the task needs; "
    "then clear it.",
)


def explain(
    ending: Ending,
    *,
    task: str,
    env: str,
    image: str,
    size: str,
    task_arn: str | None,
    last_try: bool,
    log_lines: tuple[str, ...] = (),
    checks: tuple[FailedCheck, ...] = (),
    at_ceiling: bool = False,
) -> FargateError:
    """Return the exception for an ending other than success; after the last try nothing is retried."""
    found = _AT_CEILING if at_ceiling else _ERRORS[ending.outcome]
    step = found.step.format(env=env)
    if found.retried:
        step = f"{_LAST if last_try else found.retried} {step}"
    return found.error(
        Report(
            what=found.what.format(task=task) + ".",
            next_step=step,
            failure_class=ending.outcome.value,
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
