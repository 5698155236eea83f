"""Interprets the results of a dbt run: pure functions, no dbt import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
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
_ABSENT: Final = re.compile(r"(?:Table|View) with name \S+ does not exist|schema \S+ does not exist", re.IGNORECASE)
_RELATION: Final = re.compile(r'"lake"\."(\w+)"\."(\w+)"')
_UNREACHABLE: Final = re.compile(
    r"unable to connect to postgres|connection refused|server closed the connection|terminating connection"
    r"|no connection to the server|connection timed out|connection reset|the database system is (starting|shutting)",
    re.IGNORECASE,
)
_NOISE: Final = re.compile(r"^(LINE \d+:.*|\^|> (in|called by) .*|compiled code at .*|.* Error in \w+ \S+ \(.*\))$")
_SHOWN: Final = 12
"""Failures listed one by one. The platform shows the last 20 lines of a log (LAST_LINES of the orchestration)."""
_CAUSE_CHARACTERS: Final = 500
_CHECKS: Final = 40
_WITH_KEYS: Final = 10
"""Failed checks in a result, and how many of them have keys of rows at fault: it may have at most 48 KiB."""
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
    tested: str = ""
    """What a check looks at: a model's name, or `source.table`."""
    column: str = ""
    check: str = ""
    """The kind of a check: `unique`, `not_null`, …; a file's own name for a test written as a query."""
    query: str = ""
    """What selects the offending rows of a test."""
    sample: tuple[str, ...] = ()
    """Keys of some offending rows."""
    started: float = 0.0
    """Unix seconds; 0: it did not begin."""

    @property
    def problem(self) -> str:
        """Why it did not do what it should; empty: it did."""
        return self.cause or self.status if self.status in ("fail", "error") else ""

    @property
    def checks_data(self) -> bool:
        """Whether it is a test of the data or of a source's freshness."""
        return self.kind in ("test", "source")

    @property
    def conflicted(self) -> bool:
        """Whether another process wrote the same table at the same moment; a retry resolves it."""
        return self.status == "error" and is_conflict(self.message)

    @property
    def absent(self) -> str:
        """The relation that the step reads and nobody has built yet; empty when it failed for another reason."""
        if self.status != "error" or self.conflicted or not _ABSENT.search(self.message):
            return ""
        named = _RELATION.search(self.message)
        return ".".join(named.groups()) if named else "a table it reads"

    @property
    def cut_off(self) -> bool:
        """Whether the catalog's database stopped answering."""
        return self.status == "error" and bool(_UNREACHABLE.search(self.message))

    @property
    def cause(self) -> str:
        """The message in one line, without dbt's frame and DuckDB's excerpt of the query."""
        return cause(self.message)


def step_from_dbt(result: Any) -> Step:
    """Return the step for a dbt node result, as `dbtRunner` returns it; a stale source counts as a failed check."""
    kind = str(result.node.resource_type)
    status = _STATUS.get(str(result.status), "error")
    if kind == "source" and status == "error" and str(result.status) == "error":
        status = "fail"
    node, about = result.node, getattr(result.node, "test_metadata", None)
    return Step(
        name=node.name if kind != "source" else f"{node.source_name}.{node.name}",
        kind=kind if kind in ("model", "snapshot", "test", "unit_test", "source") else "other",  # type: ignore[arg-type] # `in` does not narrow it
        status=status,
        seconds=float(result.execution_time),
        message=(result.message or "").strip(),
        failures=int(getattr(result, "failures", None) or 0),
        relation=f"{node.schema}.{node.alias}" if kind in ("model", "snapshot") else "",
        tested=_tested(node) if kind in ("test", "source") else "",
        column=getattr(node, "column_name", None) or "",
        check="freshness" if kind == "source" else about.name if about else node.name if kind == "test" else "",
        query=(node.compiled_code or "") if kind == "test" else "",
        started=min((part.started_at.replace(tzinfo=UTC).timestamp() for part in _times(result)), default=0.0),
    )


def _times(result: Any) -> list[Any]:
    """Return when dbt compiled and executed a node: its moments have no zone and are in UTC."""
    return [part for part in result.timing if part.started_at]


def _tested(node: Any) -> str:
    if str(node.resource_type) == "source":
        return f"{node.source_name}.{node.name}"
    if attached := getattr(node, "attached_node", None):
        return str(attached).rpartition(".")[2]
    return ".".join(node.sources[0]) if node.sources else ""


def exit_code(steps: Sequence[Step]) -> int:
    """Return the contract's exit code.

    Without the catalog nothing that dbt reported can be trusted: 1. Otherwise our own mistake or a step run out of
    order comes first (2), then a failed check (3): a retry resolves neither. Last comes what a retry may resolve (1).
    """
    errors = [step for step in steps if step.status == "error"]
    if any(step.cut_off for step in errors):
        return FAILURE
    if any(step.absent or (_OUR_MISTAKE.search(step.message) and not step.conflicted) for step in errors):
        return USAGE
    if any(step.status == "fail" for step in steps):
        return QUALITY
    return FAILURE if errors else SUCCESS


def is_conflict(message: str) -> bool:
    """Return whether DuckDB's message says that another process wrote the same table at the same moment."""
    return bool(_CONFLICT.search(message))


def needs_another_try(steps: Sequence[Step]) -> bool:
    """Return whether everything that went wrong is a write conflict."""
    errors = [step for step in steps if step.status == "error"]
    return bool(errors) and all(step.conflicted for step in errors)


def failed_checks(steps: Sequence[Step]) -> list[Step]:
    """Failed tests and stale sources, most offending rows first."""
    return sorted((step for step in steps if step.status == "fail"), key=lambda step: (-step.failures, step.name))


def cause(message: str) -> str:
    """Return dbt's message in one line of at most 500 characters, without its frame and excerpts of the query."""
    lines = [line.strip() for line in message.splitlines()]
    text = " ".join(line for line in lines if line and not _NOISE.match(line)) or " ".join(message.split())
    return text if len(text) <= _CAUSE_CHARACTERS else text[: _CAUSE_CHARACTERS - 1] + "…"


def explanation(steps: Sequence[Step]) -> list[str]:
    """Return the last lines of the log: what failed and why, one line each, the next step at the end.

    Skipped steps are the consequence of a failure, so they are only counted.

    Returns:
        At most 15 lines; none when everything went well.
    """
    errors = [step for step in steps if step.status == "error"]
    if cut_off := [step for step in errors if step.cut_off]:
        return [
            f"error: {cut_off[0].name}: The lakehouse's catalog stopped answering ({cut_off[0].cause}). What was "
            "finished is kept. Check that its database is up and reachable from this task, then run again."
        ]
    absent = [step for step in errors if step.absent]
    named = [f"failed check: {step.name}: {_count(step)}" for step in failed_checks(steps)]
    named += [f"error: {step.name}: {step.cause}" for step in errors if not step.absent]
    named += [f"error: {step.name}: {step.absent} does not exist yet." for step in absent]
    lines = named[-_SHOWN:]
    if len(named) > _SHOWN:
        lines = [f"{len(named) - _SHOWN} more failed", *lines]
    skipped = sum(step.status == "skipped" for step in steps)
    if lines and skipped:
        lines = [f"{skipped} steps were skipped because of what failed", *lines]
    if absent:
        lines.append("Build what is missing first: run pipeline_suscripciones.")
    return lines


def _count(step: Step) -> str:
    if step.kind == "source":
        return step.cause or "the last load is too old"
    rows = f"{step.failures} rows" if step.failures != 1 else "1 row"
    return f"{rows}, for example {'; '.join(step.sample)}" if step.sample else rows


def _found(checks: Sequence[Step]) -> list[dict[str, Any]]:
    return [
        {"name": step.name, "rows": step.failures, "sample": list(step.sample) if number < _WITH_KEYS else []}
        for number, step in enumerate(checks[:_CHECKS])
    ]


def summary(steps: Sequence[Step], *, seconds: float, rows: dict[str, int]) -> dict[str, Any]:
    """Return the result for the entry point: small, however many steps there were."""
    tests = [step for step in steps if step.kind in ("test", "unit_test")]
    return {
        "models": {step.name: step.status for step in steps if step.kind in ("model", "snapshot")},
        "rows": rows,
        "tests": len(tests),
        "tests_failed": _found(failed_checks(steps)),
        "tests_warned": _found([step for step in steps if step.status == "warn"]),
        "errors": [{"name": step.name, "message": step.cause} for step in steps if step.status == "error"][:20],
        "skipped": sum(step.status == "skipped" for step in steps),
        "seconds": round(seconds, 2),
    }
