"""`datavision sql`: reads the lakehouse."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datavision.cli.output import err, fail
from datavision.cli.tables import show_table
from datavision.config import current_env, load
from datavision.environment import Environment, runs_here
from datavision.errors import UserError
from datavision.state import state_dir

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from datavision.local.sql import Answer, Reader
    from datavision_lakehouse import LakehouseSettings


class Format(StrEnum):
    """How rows are written to stdout."""

    table = "table"
    csv = "csv"
    json = "json"


def sql(
    query: Annotated[
        str | None, typer.Argument(help="One query; without it a prompt opens.", show_default=False)
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How rows are written to stdout.")] = Format.table,
    at: Annotated[str | None, typer.Option(help="An earlier state: load id, moment, or snapshot number.")] = None,
    env: Annotated[str | None, typer.Option(help="Environment. Default: DATAVISION_ENV, or local.")] = None,
) -> None:
    """Read the lakehouse: schemas raw_datavision, staging, snapshots, marts and calidad. Nothing can be changed.

    Without a query, open a prompt or read the query from a pipe.

    Example: datavision sql "select count(*) from raw_datavision.accounts" --format csv
    """
    from datavision.local.sql import Reader

    if query is None and not sys.stdin.isatty():
        query = sys.stdin.read()
    with _settings(env or current_env()) as settings, Reader.open(settings, at) as reader:
        if query is None:
            _prompt(reader)
        else:
            _write(reader.ask(query), output)


def _write(answer: "Answer", output: Format) -> None:
    from datavision.local.sql import TABLE_ROWS, first_rows, write_csv, write_json

    try:
        if output is Format.csv:
            write_csv(answer, sys.stdout)
        elif output is Format.json:
            write_json(answer, sys.stdout)
        else:
            rows, more = first_rows(answer)
            show_table("", answer.columns, rows, right=answer.numbers)
            if more:
                err.print(f"Only the first {TABLE_ROWS:,} rows are shown; --format csv writes all of them.")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has closed the pipe; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prompt(reader: "Reader") -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    history: Path = state_dir() / "sql_history"
    history.parent.mkdir(parents=True, exist_ok=True)
    tables = reader.tables()
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), completer=WordCompleter(tables, WORD=True), complete_while_typing=False
    )
    err.print(f"{len(tables)} tables; end a query with ';', complete a table's name with Tab, leave with Ctrl-D.")
    while (query := _read(session)) is not None:
        try:
            _write(reader.ask(query), Format.table)
        except UserError as error:
            fail(str(error))


def _read(session: "PromptSession[str]") -> str | None:
    lines: list[str] = []
    while True:
        try:
            lines.append(session.prompt("sql> " if not lines else "...> "))
        except KeyboardInterrupt:
            lines = []
            continue
        except EOFError:
            return None
        text = "\n".join(lines).strip()
        if text.endswith(";"):
            return text
        if not text:
            lines = []


@contextmanager
def _settings(env: str) -> Iterator["LakehouseSettings"]:
    from datavision_lakehouse import LakehouseSettings

    config = load(env)
    path = config.storage.lakehouse_path
    with ExitStack() as stack:
        if runs_here(env):
            url = stack.enter_context(_embedded_catalog())
            if path.startswith("s3://"):
                stack.enter_context(_embedded_s3())
        else:
            url = _secret(env)
        yield LakehouseSettings.model_validate({"catalog_url": url, "data_path": path})


@contextmanager
def _embedded_catalog() -> Iterator[str]:
    from datavision.local.postgres import EmbeddedPostgres

    folder = state_dir() / "postgres"
    if not folder.exists():
        raise UserError("There is no local lakehouse yet. Create one with: make run.")
    with EmbeddedPostgres(folder) as server:
        yield server.url("lakehouse")


@contextmanager
def _embedded_s3() -> Iterator[None]:
    """Send DuckDB to the embedded cloud for the time of the block; it takes its key from the process's variables."""
    from datavision.cli.connect import environment
    from datavision.local.cloud import aws_environment
    from datavision_lakehouse.process_environment import variables_set

    with (
        environment("local") as config,
        variables_set(aws_environment(str(Environment(config).embedded_url), config.aws.region)),
    ):
        yield


def _secret(env: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    from datavision.aws import checked_client

    config = load(env)
    name = config.secrets.lakehouse_catalog_url
    try:
        return str(checked_client(config, "secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"The secret {name} of environment {env} cannot be read ({error}). "
            "Sign in to the account; the role needs secretsmanager:GetSecretValue on it."
        ) from None
