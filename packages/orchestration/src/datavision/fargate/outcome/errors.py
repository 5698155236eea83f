"""How a Fargate task can fail.

FargateError                       every failure; carries a `Report` and prints it
├── LaunchError                    nothing ran
│   ├── RejectedLaunchError        the launch budget is spent; Airflow's retries follow
│   └── PermanentStartError        image, secret, access, request: fails at once
│       └── DigestMismatchError    what ran is not what is pinned: fails at once
├── RunError                       a container ran
│   ├── BusinessError              exit 1 and all codes without a meaning of their own; Airflow's retries follow
│   ├── UsageError                 exit 2: fails at once
│   ├── QualityError               exit 3: fails at once, names the failing checks
│   ├── OutOfMemoryError           retried at once with the next Fargate size
│   │   └── MemoryCeilingError     no larger size is allowed: fails at once
│   ├── TaskTimeoutError           execution_timeout: stopped, then Airflow's retries
│   ├── StoppedError               someone else stopped it; Airflow's retries follow
│   └── LostTaskError              ECS forgot it and it left no result; Airflow's retries follow
└── ResultError                    it succeeded, but its result breaks the contract: fails at once
"""

from dataclasses import dataclass

LAST_LINES = 20
"""Log lines that a failure shows."""


@dataclass(frozen=True)
class FailedCheck:
    """A check of the data that did not pass."""

    name: str
    detail: str = ""
    """What the module says of it; empty: `rows` says it."""
    rows: int = 0
    sample: tuple[str, ...] = ()
    """Keys of some of the rows at fault."""

    def text(self, rows: str = "rows", row: str = "row", example: str = "for example") -> str:
        """Return it in one line, in the words of the language that it is told in."""
        found = self.detail or f"{self.rows} {row if self.rows == 1 else rows}"
        keys = f", {example} {'; '.join(self.sample)}" if self.sample else ""
        return f"{self.name}: {found}{keys}"


@dataclass(frozen=True)
class Report:
    """What a person needs to know about a failure; empty fields are left out of the text."""

    what: str
    next_step: str
    failure_class: str = ""
    stop_code: str = ""
    reason: str = ""
    exit_code: int | None = None
    image: str = ""
    size: str = ""
    task_arn: str = ""
    log_lines: tuple[str, ...] = ()
    checks: tuple[FailedCheck, ...] = ()

    def __str__(self) -> str:
        facts = {
            "class": self.failure_class,
            "stop code": self.stop_code,
            "reason": self.reason,
            "exit code": "" if self.exit_code is None else str(self.exit_code),
            "image": self.image,
            "size": self.size,
            "task": self.task_arn,
        }
        lines = [self.what]
        lines += [f"  {name:<10} {value}" for name, value in facts.items() if value]
        lines += [f"  failed     {check.text()}" for check in self.checks]
        if self.log_lines:
            lines.append(f"  last {len(self.log_lines)} log lines:")
            lines += [f"    | {line}" for line in self.log_lines[-LAST_LINES:]]
        lines.append(f"  next step  {self.next_step}")
        return "\n".join(lines)


class FargateError(Exception):
    """A Fargate task failed; its text says why and what to do."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report


class LaunchError(FargateError):
    """Nothing ran."""


class RejectedLaunchError(LaunchError):
    """ECS rejected or failed every launch of the budget."""


class PermanentStartError(LaunchError):
    """The task can never start as it is."""


class DigestMismatchError(PermanentStartError):
    """The image that ECS pulled is not the pinned one."""


class RunError(FargateError):
    """A container ran and did not succeed."""


class BusinessError(RunError):
    """The command failed in a way that a retry may fix."""


class UsageError(RunError):
    """The command line or the configuration of the module is wrong."""


class QualityError(RunError):
    """A data quality gate failed."""


class OutOfMemoryError(RunError):
    """The container was killed for using more memory than the task has."""


class MemoryCeilingError(OutOfMemoryError):
    """The same, and no larger size is allowed."""


class TaskTimeoutError(RunError):
    """It ran longer than execution_timeout and was stopped."""


class StoppedError(RunError):
    """It was stopped by someone other than Airflow."""


class LostTaskError(RunError):
    """ECS no longer knows the task, and it left no result."""


class ResultError(FargateError):
    """The result in S3 is not what the contract asks for."""
