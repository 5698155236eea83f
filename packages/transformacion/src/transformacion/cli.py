"""`transformacion`: dbt on the lakehouse, and the report."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import duckdb
import typer

from datavision_lakehouse import LakehouseError, connect, settings_for
from datavision_runtime import write_result
from transformacion.doctor import diagnose
from transformacion.explained import explained, first_line
from transformacion.loaded import open_loaded
from transformacion.outcome import Step, exit_code, explanation, summary
from transformacion.quality import keep, with_samples
from transformacion.runner import Run, list_nodes, run_dbt
from transformacion.selection import dbt_options
from transformacion.settings import BuildSettings, ReportCommandSettings
from transformacion.telemetry import Telling
from transformacion.variables import dbt_arguments, dbt_environment

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
Environment = Annotated[
    str, typer.Option(envvar="DATAVISION_ENV", help="local, dev or prod; must match DATAVISION_ENV.")
]
RfmDate = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Date of the RFM segmentation; default: today in Buenos Aires."),
]
Rebuild = Annotated[bool, typer.Option("--reconstruir", help="Full refresh: recompute every date in fact_rfm.")]


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion build --select fact_rfm+ --fecha-rfm 2026-06-30",
)
def build(
    context: typer.Context, env: Environment = "local", fecha_rfm: RfmDate = None, reconstruir: Rebuild = False
) -> None:
    """Run and test models and snapshots, in dependency order. Also takes dbt's --select and the like."""
    _dbt(["build"], context.args, env, fecha_rfm, reconstruir=reconstruir)


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion run --select staging",
)
def run(
    context: typer.Context, env: Environment = "local", fecha_rfm: RfmDate = None, reconstruir: Rebuild = False
) -> None:
    """Run models without testing them. Also takes dbt's --select and the like."""
    _dbt(["run"], context.args, env, fecha_rfm, reconstruir=reconstruir)


@app.command(
    "test",
    context_settings=_PASS_ON,
    epilog="Example: transformacion test --select source:raw_datavision",
)
def check_data(context: typer.Context, env: Environment = "local", fecha_rfm: RfmDate = None) -> None:
    """Test the data; with --resource-type unit_test, the models instead. Also takes dbt's --select and the like."""
    _dbt(["test"], context.args, env, fecha_rfm)


@app.command(
    context_settings=_PASS_ON,
    epilog="Example: transformacion snapshot --select snp_cuentas",
)
def snapshot(context: typer.Context, env: Environment = "local") -> None:
    """Update the snapshots that hold the history. Also takes dbt's --select and the like."""
    _dbt(["snapshot"], context.args, env)


@app.command(
    "source-freshness",
    context_settings=_PASS_ON,
    epilog="Example: transformacion source-freshness --select source:raw_datavision.accounts",
)
def source_freshness(context: typer.Context, env: Environment = "local") -> None:
    """Check that the last load is recent enough. Also takes dbt's --select and the like."""
    _dbt(["source", "freshness"], context.args, env)


@app.command(
    "list",
    context_settings=_PASS_ON,
    epilog="Example: transformacion list --resource-type model",
)
def list_(context: typer.Context) -> None:
    """List the nodes of the dbt project. Also takes dbt's --select and the like."""
    with explained():
        for name in list_nodes(dbt_options(context.args)):
            typer.echo(name)


@app.command(epilog="Example: transformacion doctor")
def doctor(env: Environment = "local") -> None:
    """Check that the project, the lakehouse and the reports' destination are usable; change nothing."""
    with explained():
        for line in diagnose(settings_for(ReportCommandSettings, env)):
            typer.echo(line)


@app.command(epilog="Example: transformacion reporte --fecha 2026-06-30")
def reporte(env: Environment = "local", fecha: RfmDate = None) -> None:
    """Write the HTML report of an RFM date (the newest one by default) to DATAVISION_REPORTS__PATH."""
    from transformacion.report.data import read
    from transformacion.report.page import render
    from transformacion.report.publish import publish

    with explained():
        settings, now = settings_for(ReportCommandSettings, env), datetime.now(UTC)
        with Telling("reporte", settings.lakehouse):
            with open_loaded(settings.lakehouse) as connection:
                data = read(connection, day=fecha.date() if fecha else None, now=now)
            published = publish(render(data), settings.reports.path, now=now)
        shown = data.rfm.day.isoformat() if data.rfm else None
        write_result(
            {"report": published.report, "latest": published.latest, "bytes": published.size, "fecha_rfm": shown}
        )
        typer.echo(published.report)


def main() -> None:
    """Run the command line."""
    app()


def _dbt(
    verb: Sequence[str],
    options: Sequence[str],
    env: str,
    fecha_rfm: datetime | None = None,
    *,
    reconstruir: bool = False,
) -> None:
    with explained():
        command = dbt_arguments([*verb, *dbt_options(options)], full_refresh=reconstruir)
        variables = dbt_environment(command, fecha_rfm.date() if fecha_rfm else None)
        settings = settings_for(BuildSettings, env)
        # dbt would report an unreachable or empty lakehouse cryptically, minutes later.
        open_loaded(settings.lakehouse).close()
        with Telling(" ".join(verb), settings.lakehouse) as telling:
            outcome = run_dbt(
                command, variables=variables, attempts=settings.transformacion.attempts, artifacts=telling.reader
            )
            _report(outcome, settings)
            telling.of(outcome.steps)
        raise typer.Exit(exit_code(outcome.steps))


def _report(outcome: Run, settings: BuildSettings) -> None:
    steps, rows = _looked_at(outcome.steps, settings)
    write_result(summary(steps, seconds=outcome.seconds, rows=rows))
    done = sum(step.status in ("ok", "warn") for step in steps)
    typer.echo(f"{done} of {len(steps)} steps done in {outcome.seconds:.1f} s")
    for line in explanation(steps):
        typer.echo(line, err=True)


def _looked_at(steps: Sequence[Step], settings: BuildSettings) -> tuple[Sequence[Step], dict[str, int]]:
    """Return the steps with keys of the rows at fault, and the rows of each table; keep what the checks found."""
    relations = [step.relation for step in steps if step.relation and step.status == "ok"]
    checks = [step for step in steps if step.checks_data]
    rows: dict[str, int] = {}
    if not relations and not checks:
        return steps, rows
    try:
        with connect(settings.lakehouse, read_only=True) as connection:
            rows = {relation: _count(connection, relation) for relation in relations}
            steps = with_samples(connection, steps)
        if settings.run_id:
            keep(settings, [step for step in steps if step.checks_data])
    except (LakehouseError, duckdb.Error) as error:
        typer.echo(f"warning: What was found could not be counted or kept: {first_line(error)}", err=True)
    return steps, rows


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # noqa: S608 - a name dbt made
    return int(row[0]) if row else 0
