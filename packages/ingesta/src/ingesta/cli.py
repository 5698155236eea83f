"""The command line of ingesta."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from types import FrameType
from typing import Annotated, Literal

import typer
from typer.core import TyperCommand

from datavision_lakehouse import ConfigurationError, settings_for
from datavision_runtime import exit_codes, write_result
from ingesta.doctor import diagnose
from ingesta.errors import IngestaError, QualityError
from ingesta.load import load, validate_only
from ingesta.progress import Reporter
from ingesta.quality import Finding
from ingesta.settings import Settings
from ingesta.tables import TABLES, select
from ingesta.telemetry import tell

_TABLES_OPTION = "--tables"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class _Command(TyperCommand):
    """Takes several words after `--tables`, which click has no way to declare."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # click's Context
        return super().parse_args(ctx, list(_one_by_one(args)))


def _one_by_one(arguments: Sequence[str]) -> Iterator[str]:
    """Repeat `--tables` before each further word up to the next option."""
    taking = False
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue="-"):
        if argument.startswith("-"):
            taking = argument == _TABLES_OPTION
            if taking and following.startswith("-"):
                # click would take that option for the name of a table.
                raise typer.BadParameter("name at least one table.", param_hint=_TABLES_OPTION)
            if not taking:
                yield argument
        else:
            yield from (_TABLES_OPTION, argument) if taking else (argument,)


@app.command(cls=_Command, epilog="Example: ingesta --env dev --tables accounts contents")
def ingesta(
    *,
    action: Annotated[Literal["load", "doctor"], typer.Argument(help="What to do.")] = "load",
    env: Annotated[Literal["local", "dev", "prod"], typer.Option(help="Must equal DATAVISION_ENV.")],
    tables: Annotated[
        list[str] | None,
        typer.Option(_TABLES_OPTION, metavar="T …", help=f"Any of: {', '.join(TABLES)}. Default: all."),
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Read everything, and take a changed structure.")
    ] = False,
    validar_calidad_datos: Annotated[
        bool, typer.Option("--validar-calidad-datos", help="Run the quality gate after the load.")
    ] = False,
    solo_validar: Annotated[
        bool, typer.Option("--solo-validar", help="Run the quality gate and load nothing.")
    ] = False,
) -> None:
    """Load the source's tables into the lakehouse."""
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(128 + number)
        sys.exit(stopped[0])

    signal.signal(signal.SIGTERM, stop)
    report = Reporter()
    try:
        settings = settings_for(Settings, env)
        if action == "doctor":
            diagnose(settings, report)
        elif solo_validar:
            _validate(settings, tables or (), report)
        else:
            _load(settings, tables or (), report, full_refresh=full_refresh, validate=validar_calidad_datos)
    except Exception as error:
        # A signal during a query reaches us as that query's failure.
        if stopped:
            raise typer.Exit(stopped[0]) from None
        if not isinstance(error, IngestaError | ConfigurationError):
            raise
        typer.echo(f"ingesta: {error}", err=True)
        raise typer.Exit(error.exit_code if isinstance(error, IngestaError) else exit_codes.USAGE) from None


def main() -> None:
    """Run ingesta and exit with its code: 0 done, 1 try again, 2 wrong usage, 3 quality gate failed."""
    app(prog_name="ingesta")


def _validate(settings: Settings, tables: Sequence[str], report: Reporter) -> None:
    findings = validate_only(settings, select(tables), report)
    write_result({"rows": 0, "quality": [finding.as_json() for finding in findings]})
    _judge(findings, report)


def _load(settings: Settings, tables: Sequence[str], report: Reporter, *, full_refresh: bool, validate: bool) -> None:
    began, chosen = time.time(), select(tables)
    try:
        done = load(settings, chosen, report, full_refresh=full_refresh, validate=validate)
    except IngestaError as error:
        tell(settings, began, None, report, str(error))
        raise
    tell(settings, began, done, report)
    result = done.as_json()
    write_result(result)
    report(f"load {done.load.id}: {result['rows']:,} rows changed in {done.seconds:.1f} s")
    _judge(done.findings, report)


def _judge(findings: Sequence[Finding], report: Reporter) -> None:
    for finding in findings:
        if finding.outcome == "warning":
            report(f"warning: {finding}")
    errors = [str(finding) for finding in findings if finding.outcome == "error"]
    if errors:
        raise QualityError(
            "The quality gate failed. " + ". ".join(errors) + ". Correct the rows at the source and load again; "
            "DATAVISION_INGESTA__QUALITY sets a check to warning or off."
        )
