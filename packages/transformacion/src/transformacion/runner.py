"""dbt in this process, on the lakehouse."""

import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import duckdb
import typer

from datavision_lakehouse.process_environment import variables_set
from transformacion.errors import RunError, TransformacionError, UsageError
from transformacion.outcome import Step, cause, needs_another_try, step_from_dbt
from transformacion.telemetry import Artifacts
from transformacion.variables import PROJECT_VARIABLE, gives_variables
from transformacion.workspace import PROJECT, Workspace, project_version, workspace

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_parsed: Final[list["Manifest"]] = []
"""The project as `parse_project` left it in this process."""
_ANNOUNCED: Final = ("model", "seed", "snapshot", "source")


@dataclass(frozen=True)
class Run:
    """What one dbt command did."""

    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0


def run_dbt(
    command: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    attempts: int = 1,
    artifacts: Artifacts | None = None,
) -> Run:
    """Run one dbt command (`["build", "--select", "marts"]`).

    If everything that failed lost against another process's write, the command is run again, up to `attempts` times in
    all: every step is idempotent. Progress and dbt's warnings go to stderr.

    Args:
        command: The verb and its options, as dbt takes them.
        variables: Environment variables for the models, for the time of the run.
        attempts: How often to try in all.
        artifacts: Reads what dbt wrote of the last try.

    Raises:
        UsageError: The command or the project is wrong.
        RunError: Something else stopped dbt before its end.
    """
    started = time.monotonic()
    version = {PROJECT_VARIABLE: project_version(PROJECT)}
    with workspace() as space, variables_set({**version, **(variables or {})}):
        steps = _invoke(command, space, artifacts)
        if not steps:
            raise UsageError(
                f"Nothing in the dbt project matches `{' '.join(command)}`. "
                "See what there is: transformacion list --resource-type model"
            )
        for attempt in range(1, attempts):
            if not needs_another_try(steps):
                break
            typer.echo("Another process wrote the same table at the same moment; running the command again.", err=True)
            time.sleep(random.uniform(0.5, 1.5) * 2**attempt)  # noqa: S311 - spreads retries, guards nothing
            steps = _invoke(command, space, artifacts)
    return Run(steps, time.monotonic() - started)


def list_nodes(arguments: Sequence[str]) -> list[str]:
    """Return the names that `dbt list` prints.

    Args:
        arguments: The options of `dbt list`.

    Raises:
        UsageError: They are wrong.
    """
    with workspace() as space:
        names = _result(["list", "--quiet", *arguments], space)
    return [str(name) for name in names]


def parse_project() -> None:
    """Parse the dbt project and keep the results: the next command of this process, and those of others, start sooner.

    Raises:
        UsageError: The project is wrong.
    """
    with workspace() as space:
        _parsed.append(_result(["parse"], space))


def _invoke(command: Sequence[str], space: Workspace, artifacts: Artifacts | None) -> list[Step]:
    result = _result(command, space, artifacts=artifacts is not None)
    if artifacts:
        artifacts(space.target)
    return [step_from_dbt(item) for item in getattr(result, "results", ())]


def _result(command: Sequence[str], space: Workspace, *, artifacts: bool = False) -> Any:
    # Importing dbt takes seconds: --help and a misspelled option should not wait for it.
    from dbt.cli.main import dbtRunner

    try:
        with redirect_stdout(sys.stderr):
            runner = dbtRunner(manifest=_take_parsed(command), callbacks=[_progress])
            answer = runner.invoke([*command, *space.arguments(artifacts=artifacts)])
    finally:
        _disconnect()
    if answer.exception is not None:
        raise _explained(answer.exception) from answer.exception
    return answer.result


def _take_parsed(command: Sequence[str]) -> "Manifest | None":
    # It serves one command: dbt compiles into it, and would not compile ephemeral models into a second one.
    # Variables may change what the project is.
    return _parsed.pop() if _parsed and not gives_variables(command) else None


def _disconnect() -> None:
    # dbt-duckdb keeps its instance, with all its memory, for the life of the process.
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    # Closing fails when the catalog has died; everything important has been reported by then.
    with suppress(duckdb.Error):
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]  # dbt-duckdb has no types


def _progress(event: Any) -> None:
    if event.info.level == "warn":
        typer.echo(f"warning: {cause(event.info.msg)}", err=True)
    if event.info.name != "NodeFinished":
        return
    node, seconds = event.data.node_info, event.data.run_result.execution_time
    # The end of the log lists what failed and why; skipped steps are only counted there.
    if node.materialized == "ephemeral" or node.node_status == "skipped":
        return
    if node.resource_type in _ANNOUNCED or node.node_status not in ("pass", "success"):
        typer.echo(f"{node.node_status:8} {node.resource_type} {node.node_name} {seconds:.1f} s", err=True)


def _explained(error: BaseException) -> TransformacionError:
    from dbt.cli.exceptions import DbtUsageException
    from dbt.exceptions import InvalidSelectorError, ParsingError
    from dbt_common.exceptions import CompilationError, DbtConfigError, DbtValidationError

    wrong = (
        DbtUsageException,
        CompilationError,
        DbtConfigError,
        DbtValidationError,
        InvalidSelectorError,
        ParsingError,
    )
    said = cause(str(error)) or type(error).__name__
    if isinstance(error, wrong):
        return UsageError(said)
    return RunError(f"dbt stopped early ({said}). Check that the lakehouse is up, then run again.")
