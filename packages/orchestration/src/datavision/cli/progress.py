"""Shows a run: live while it runs, as a table when it has ended."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from datavision.airflow_api import FINISHED, TaskState
from datavision.cli.output import err, out, step
from datavision.cli.tables import show_table
from datavision.run import RunOutcome, TaskOutcome

_SIGNS = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "upstream_failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "up_for_retry": ("↻", "yellow"),
    "deferred": ("…", "cyan"),
    "running": ("…", "cyan"),
    "queued": ("·", "dim"),
    "scheduled": ("·", "dim"),
}


QUEUED_SECONDS = 10
"""A run that is still queued by then is waiting for another one."""


class RunProgress:
    """A live list of tasks on a terminal; elsewhere a line for each state change."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._began = time.monotonic()
        self._waiting = False
        self._started: dict[str, float] = {}
        self._states: dict[str, str | None] = {}
        self._live = Live(console=err, refresh_per_second=4, transient=True) if err.is_terminal else None

    def __enter__(self) -> Self:
        step(f"running {self._pipeline}")
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, run_id: str, state: str, tasks: list[TaskState]) -> None:
        """Show the current states."""
        if state == "queued" and time.monotonic() - self._began > QUEUED_SECONDS and not self._waiting:
            self._waiting = True
            step(f"{self._pipeline} is waiting: another run of it is active, and only one may run at a time")
        for task in tasks:
            if task.state in ("running", "deferred"):
                self._started.setdefault(task.label, time.monotonic())
        if self._live:
            self._live.update(self._table(run_id, tasks))
            return
        for task in tasks:
            if task.state in FINISHED | {"up_for_retry"} and self._states.get(task.label) != task.state:
                step(f"{self._pipeline}.{task.label}: {task.state}{_seconds(task.seconds)}")
            self._states[task.label] = task.state

    def _table(self, run_id: str, tasks: list[TaskState]) -> Table:
        table = Table(box=None, show_header=False, title=f"{self._pipeline}  {run_id}", title_justify="left")
        for task in tasks:
            sign, colour = _SIGNS.get(task.state or "", ("·", "dim"))
            seconds = (
                task.seconds
                if task.state in FINISHED
                else time.monotonic() - self._started.get(task.label, time.monotonic())
            )
            table.add_row(Text(sign, colour), task.label, task.state or "", f"{seconds or 0:.0f} s")
        return table


def print_outcome(outcome: RunOutcome) -> None:
    """Print what ran, and the end of the log of each failed task."""
    colour = "green" if outcome.succeeded else "red"
    step(f"{outcome.pipeline}: [{colour}]{outcome.state}[/] in {outcome.seconds:.0f} s")
    columns = ("pipeline", "task", "image", "seconds", "peak MiB", "rows", "cost $", "result")
    rows = [(outcome.pipeline, *_row(task)) for task in outcome.tasks]
    show_table("", columns, rows, right=columns[3:7])
    for task in outcome.tasks:
        if report := task.result.get("report"):
            out.print(f"report: {_near(str(report))}", soft_wrap=True)
        if task.log:
            out.print(f"the last lines of {task.task.label}:", *task.log, sep="\n  ", markup=False, highlight=False)


def _row(outcome: TaskOutcome) -> tuple[str, ...]:
    last = outcome.launches[-1] if outcome.launches else None
    peak = outcome.measured.get("peak_memory_bytes")
    return (
        outcome.task.label,
        f"{last.module}:{last.tag}" if last else "",
        f"{outcome.task.seconds or 0:.1f}",
        f"{peak / 2**20:.0f}" if peak else "",
        "" if outcome.rows is None else f"{outcome.rows:,}",
        f"{outcome.cost_usd:.5f}" if last else "",
        outcome.task.state or "",
    )


def _near(path: str) -> str:
    """Return a path below the working directory in relative form."""
    return path.removeprefix(f"{Path.cwd()}/")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f" after {seconds:.1f} s"
