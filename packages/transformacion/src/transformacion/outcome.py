"""What a dbt run amounts to: pure functions over its results, no dbt import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from datavision_runtime.exit_codes import FAILURE, QUALITY, SUCCESS, USAGE

Kind = Literal["model", "snapshot", "test", "unit_test", "source", "other"]
Status = Literal["ok", "warn", "fail", "error", "skipped"]

_CONFLICT: Final = re.compile(
    r"transaction conflict|conflict on|has been (altered|dropped|deleted) by another transaction"
    r"|failed to commit ducklake transaction|could not serialize|write-write",
    re.IGNORECASE,
)
_OUR_MISTAKE: Final = re.compile(r"compilation error|parser error|binder error|syntax error|contract", re.IGNORECASE)
_STATUS: Final[dict[str, Status]] = {
    "success": "ok",
    "pass": "ok",
    "no-op": "ok",
    "warn": "warn",
    "fail": "fail",
    "error": "error",
    "runtime error": "error",
    "partial success": "error",
    "skipped": "skipped",
}


@dataclass(frozen=True)
class Step:
    """One node that dbt ran."""

    name: str
    kind: Kind
    status: Status
    seconds: float
    message: str = ""
    failures: int = 0
    relation: str = ""
    """`schema.table` of what the step leaves in the lakehouse; empty when it leaves nothing."""

    @property
    def conflicted(self) -> bool:
        """Whether another process wrote the same table at the same moment: trying again cures it."""
        return self.status == "error" and bool(_CONFLICT.search(self.message))


def step_from_dbt(result: Any) -> Step:
    """The step of one dbt node result, as `dbtRunner` returns it. A stale source counts as a failed check."""
    kind = str(result.node.resource_type)
    status = _STATUS.get(str(result.status), "error")
    if kind == "source" and status == "error" and str(result.status) == "error":
        status = "fail"
    return Step(
        name=result.node.name if kind != "source" else f"{result.node.source_name}.{result.node.name}",
        kind=kind if kind in ("model", "snapshot", "test", "unit_test", "source") else "other",  # type: ignore[arg-type]
        status=status,
        seconds=float(result.execution_time),
        message=(result.message or "").strip(),
        failures=int(getattr(result, "failures", None) or 0),
        relation=f"{result.node.schema}.{result.node.alias}" if kind in ("model", "snapshot") else "",
    )


def exit_code(steps: Sequence[Step]) -> int:
    """The contract's exit code.

    A mistake of ours (2) first, then a failed check (3): trying again cures neither. Then what a retry may cure (1).
    """
    errors = [step for step in steps if step.status == "error"]
    if any(_OUR_MISTAKE.search(step.message) and not step.conflicted for step in errors):
        return USAGE
    if any(step.status == "fail" for step in steps):
        return QUALITY
    return FAILURE if errors else SUCCESS


def needs_another_try(steps: Sequence[Step]) -> bool:
    """Whether everything that went wrong is a write conflict."""
    errors = [step for step in steps if step.status == "error"]
    return bool(errors) and all(step.conflicted for step in errors)


def failed_checks(steps: Sequence[Step]) -> list[Step]:
    """Failed tests and stale sources, most offending rows first."""
    return sorted((step for step in steps if step.status == "fail"), key=lambda step: (-step.failures, step.name))


def summary(steps: Sequence[Step], *, seconds: float, rows: dict[str, int]) -> dict[str, Any]:
    """The result for the entry point: small, however many steps there were."""
    tests = [step for step in steps if step.kind in ("test", "unit_test")]
    return {
        "models": {step.name: step.status for step in steps if step.kind in ("model", "snapshot")},
        "rows": rows,
        "tests": len(tests),
        "tests_failed": [{"name": step.name, "rows": step.failures} for step in failed_checks(steps)][:50],
        "errors": [{"name": step.name, "message": step.message[:500]} for step in steps if step.status == "error"][:20],
        "skipped": sum(step.status == "skipped" for step in steps),
        "seconds": round(seconds, 2),
    }
