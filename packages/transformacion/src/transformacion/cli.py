"""`transformacion`: dbt on the lakehouse, and the report."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import duckdb
import typer

from datavision_lakehouse import ConfigurationError, LakehouseError, LakehouseSettings, connect, settings_for
from datavision_runtime import write_result
from datavision_runtime.exit_codes import FAILURE, USAGE
from transformacion.doctor import diagnose
from transformacion.errors import TransformacionError, UsageError
from transformacion.outcome import Step, exit_code, failed_checks, summary
from transformacion.runner import Run, list_nodes, run_dbt
from transformacion.settings import BuildSettings, ReportCommandSettings
from transformacion.variables import dbt_arguments, dbt_environment

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_ENVIRONMENT = typer.Option(
    default_factory=lambda: os.environ.get("DATAVISION_ENV", "local"),
    show_default="DATAVISION_ENV",
    help="local, dev or prod; must be what DATAVISION_ENV says.",
)
Environment = Annotated[str, _ENVIRONMENT]
RfmDate = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Date of the RFM segmentation; default: today in Buenos Aires."),
]
Rebuild = Annotated[
    bool, typer.Option("--reconstruir", help="Full refresh: every date that fact_rfm holds is calculated again.")
]


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion build --select fact_rfm+ --fecha-rfm 2026-06-30",
)
def build(context: typer.Context, env: Environment, fecha_rfm: RfmDate = None, reconstruir: Rebuild = False) -> None:
    """Run and test models and snapshots, in dependency order. Other options go to dbt."""
    _dbt(["build", *_data_only(context.args)], env, fecha_rfm, reconstruir=reconstruir)


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion run --select staging",
)
def run(context: typer.Context, env: Environment, fecha_rfm: RfmDate = None, reconstruir: Rebuild = False) -> None:
    """Run models without testing them. Other options go to dbt."""
    _dbt(["run", *context.args], env, fecha_rfm, reconstruir=reconstruir)


@app.command(
    "test",
    context_settings=_PASS_ON,
    epilog="Example: transformacion test --select source:raw_datavision",
)
def check_data(context: typer.Context, env: Environment, fecha_rfm: RfmDate = None) -> None:
    """Test the data; with --resource-type unit_test, the models instead. Other options go to dbt."""
    _dbt(["test", *_data_only(context.args)], env, fecha_rfm)


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion snapshot --select snp_cuentas",
)
def snapshot(context: typer.Context, env: Environment) -> None:
    """Bring the history up to date. Other options go to dbt."""
    _dbt(["snapshot", *context.args], env)


@app.command(
    "source-freshness",
    context_settings=_PASS_ON,
    epilog="Example: transformacion source-freshness --select source:raw_datavision.accounts",
)
def source_freshness(context: typer.Context, env: Environment) -> None:
    """Check that the last load is recent enough. Other options go to dbt."""
    _dbt(["source", "freshness", *context.args], env)


@app.command(
    "list",
    context_settings=_PASS_ON,
    epilog="Example: transformacion list --resource-type model",
)
def list_(context: typer.Context) -> None:
    """List what the dbt project holds. Other options go to dbt."""
    with _explained():
        for name in list_nodes(context.args):
            typer.echo(name)


@app.command(epilog="Example: transformacion doctor")
def doctor(env: Environment) -> None:
    """Check that the project, the lakehouse and the reports' destination are in order; change nothing."""
    with _explained():
        for line in diagnose(settings_for(ReportCommandSettings, env)):
            typer.echo(line)


@app.command(epilog="Example: transformacion reporte --fecha 2026-06-30")
def reporte(env: Environment, fecha: RfmDate = None) -> None:
    """Write the HTML report of an RFM date (the newest one by default) to DATAVISION_REPORTS__PATH."""
    from transformacion.report.data import read
    from transformacion.report.page import render
    from transformacion.report.publish import publish

    with _explained():
        settings, now = settings_for(ReportCommandSettings, env), datetime.now(UTC)
        with connect(settings.lakehouse, read_only=True) as connection:
            data = read(connection, day=fecha.date() if fecha else None, now=now)
        published = publish(render(data), settings.reports.path, now=now)
        shown = data.rfm.day.isoformat() if data.rfm else None
        write_result(
            {"report": published.report, "latest": published.latest, "bytes": published.size, "fecha_rfm": shown}
        )
        typer.echo(published.report)


def main() -> None:
    """The console script."""
    app()


def _dbt(command: Sequence[str], env: str, fecha_rfm: datetime | None = None, *, reconstruir: bool = False) -> None:
    with _explained():
        settings = settings_for(BuildSettings, env)
        arguments = dbt_arguments(command, full_refresh=reconstruir)
        variables = dbt_environment(command, fecha_rfm.date() if fecha_rfm else None)
        # dbt would report an unreachable lakehouse as a riddle.
        connect(settings.lakehouse).close()
        outcome = run_dbt(arguments, variables=variables, attempts=settings.transformacion.attempts)
        _report(outcome, settings.lakehouse)
        raise typer.Exit(exit_code(outcome.steps))


def _report(outcome: Run, lakehouse: LakehouseSettings) -> None:
    rows = _rows(outcome.steps, lakehouse)
    write_result(summary(outcome.steps, seconds=outcome.seconds, rows=rows))
    for step in outcome.steps:
        if step.status == "error":
            typer.echo(f"error: {step.name}: {step.message}", err=True)
    for step in failed_checks(outcome.steps):
        typer.echo(f"failed check: {step.name}: {step.failures or step.message}", err=True)
    done = sum(step.status in ("ok", "warn") for step in outcome.steps)
    typer.echo(f"{done} of {len(outcome.steps)} steps done in {outcome.seconds:.1f} s")


def _rows(steps: Sequence[Step], lakehouse: LakehouseSettings) -> dict[str, int]:
    relations = [step.relation for step in steps if step.relation and step.status == "ok"]
    if not relations:
        return {}
    with connect(lakehouse, read_only=True) as connection:
        return {relation: _count(connection, relation) for relation in relations}


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # noqa: S608 - a name dbt made
    return int(row[0]) if row else 0


def _data_only(arguments: list[str]) -> list[str]:
    # Unit tests prove the code, not the data: they run when asked for, and in the suite.
    asked = any("resource-type" in argument for argument in arguments)
    return arguments if asked else [*arguments, "--exclude-resource-type", "unit_test"]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ConfigurationError, UsageError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USAGE) from None
    except (LakehouseError, TransformacionError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILURE) from None
