"""What a terminal shows of a run, and what a log gets of it."""

import time
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from rich.console import Console

from datavision.airflow_api import TaskState
from datavision.cli import progress
from datavision.cli.progress import RunProgress, print_outcome
from datavision.run import RunOutcome, TaskOutcome

Screen = Callable[[], str]


@pytest.fixture(params=[True, False], ids=["terminal", "log"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """What was written to stderr, which is a terminal or is not."""
    monkeypatch.setenv("TERM", "xterm")  # nothing is live on a dumb one, whatever is forced
    text = StringIO()
    console = Console(file=text, force_terminal=request.param, color_system=None, highlight=False, width=100)
    monkeypatch.setattr(progress, "err", console)
    monkeypatch.setattr(progress, "step", console.print)
    yield text.getvalue
    assert "running pipeline" in text.getvalue()


def task(state: str | None, seconds: float | None = None, map_index: int = -1) -> TaskState:
    return TaskState("cargar", map_index, state, 1, seconds)


def test_each_state_that_ends_a_task_is_told_once(screen: Screen) -> None:
    with RunProgress("pipeline") as shown:
        for state, seconds in (("queued", None), ("running", None), ("success", 12.34), ("success", 12.34)):
            shown.update("run-1", "running", [task(state, seconds), task("up_for_retry", 3.0, 2)])
            if shown._live:
                shown._live.refresh()
    if shown._live:
        assert "run-1" in screen()
        assert all(sign in screen() for sign in ("· ", "… ", "✓ ", "↻ "))
    else:
        assert screen().count("cargar: success after 12.3 s") == 1
        assert screen().count("cargar[2]: up_for_retry after 3.0 s") == 1
        assert "running" not in screen().replace("running pipeline", "")


def test_a_run_that_waits_for_another_says_so_once(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 100.0, 111.0, 112.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with RunProgress("pipeline") as shown:
        shown.update("run-1", "queued", [])
        assert "waiting" not in screen()
        shown.update("run-1", "queued", [])
        shown.update("run-1", "queued", [])
    assert screen().count("another run of it is active") == 1


def test_a_failed_task_shows_the_end_of_its_log_and_a_report_its_place(
    screen: Screen, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "out", Console(width=200))
    failed = TaskOutcome(task("failed", 3.21), log=("[1] Database is locked", "exit code 1"))
    with RunProgress("pipeline"):
        print_outcome(RunOutcome("pipeline", "run-1", "failed", 61.6, (failed,)))
    assert "pipeline: failed in 62 s" in screen()
    shown = capsys.readouterr().out
    assert "the last lines of cargar:\n  [1] Database is locked\n  exit code 1" in shown
