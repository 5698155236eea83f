"""The command line of ingesta."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from datavision_lakehouse import ConfigurationError, settings_for
from datavision_runtime import exit_codes, write_result
from ingesta.doctor import diagnose
from ingesta.errors import IngestaError, QualityError
from ingesta.load import load, validate_only
from ingesta.progress import Reporter
from ingesta.quality import Finding
from ingesta.settings import Settings
from ingesta.tables import TABLES, select

_EXAMPLE = "example: ingesta --env dev --tables accounts contents --validar-calidad-datos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ingesta and return its exit code: 0 done, 1 try again, 2 wrong usage, 3 quality gate failed."""
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(128 + number)
        sys.exit(stopped[0])

    signal.signal(signal.SIGTERM, stop)
    options = _parser().parse_args(arguments)
    report = Reporter()
    try:
        _run(options, report)
    except Exception as error:
        # A signal during a query reaches us as that query's failure.
        if stopped:
            return stopped[0]
        if not isinstance(error, IngestaError | ConfigurationError):
            raise
        print(f"ingesta: {error}", file=sys.stderr)  # noqa: T201 - the error, on stderr
        return error.exit_code if isinstance(error, IngestaError) else exit_codes.USAGE
    return exit_codes.SUCCESS


def _run(options: argparse.Namespace, report: Reporter) -> None:
    settings = settings_for(Settings, options.env)
    if options.action == "doctor":
        diagnose(settings, report)
        return
    tables = select(options.tables)
    if options.solo_validar:
        findings = validate_only(settings, tables, report)
        write_result({"rows": 0, "quality": [finding.as_json() for finding in findings]})
    else:
        done = load(settings, tables, report, full_refresh=options.full_refresh, validate=options.validar_calidad_datos)
        write_result(done.as_json())
        report(f"load {done.load.id}: {done.as_json()['rows']:,} rows changed in {done.seconds:.1f} s")
        findings = list(done.findings)
    _judge(findings, report)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ingesta", description="Load the source's tables into the lakehouse.", epilog=_EXAMPLE
    )
    parser.add_argument("action", nargs="?", choices=("load", "doctor"), default="load", help="default: load")
    parser.add_argument("--env", required=True, choices=("local", "dev", "prod"), help="must equal DATAVISION_ENV")
    parser.add_argument(
        "--tables", nargs="+", default=[], metavar="T", help=f"any of: {', '.join(TABLES)} (default: all)"
    )
    parser.add_argument("--full-refresh", action="store_true", help="read everything, and take a changed structure")
    parser.add_argument("--validar-calidad-datos", action="store_true", help="run the quality gate after the load")
    parser.add_argument("--solo-validar", action="store_true", help="run the quality gate and load nothing")
    return parser
