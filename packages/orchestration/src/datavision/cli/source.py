"""`datavision source`: the business in the source database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from datavision.cli.options import PLAIN
from datavision.cli.output import err, step
from datavision.cli.tables import show_table
from datavision.process_environment import ProcessEnvironment
from datavision.state import state_dir

app = typer.Typer(help="The source database: load a business, advance it by days.", **PLAIN)


@app.command()
def load(
    accounts: Annotated[int, typer.Option(help="Number of accounts.")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed, size and date generate the same rows.")] = 42,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The business's current day, which has not started yet. Default: today."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the source's contents.")] = False,
) -> None:
    """Load two years of business: the eight tables with keys and indexes, all at once.

    Uses the embedded PostgreSQL, or the one in DATAVISION_SOURCE__URL.

    Example: datavision source load --accounts 20000 --seed 42 --until 2026-11-01
    """
    from datavision.local import source
    from datavision.local.source.upkeep import today

    day = until.date() if until else today()
    with _url() as url, _progress() as progress:
        rows = source.load(url, accounts=accounts, seed=seed, until=day, replace=replace, progress=progress)
    counted = [(name, f"{count:,}") for name, count in rows.items()]
    show_table(f"the source at the start of {day}", ("table", "rows"), counted, right=("rows",))


@app.command()
def advance(days: Annotated[int, typer.Option(help="How many days to advance the business.")] = 1) -> None:
    """Advance the business: new, changed, late, corrected and deleted rows of each day.

    Example: datavision source advance --days 1
    """
    from datavision.local import source

    def passed(day: date) -> None:
        step(f"the business has reached {day}")

    with _url() as url:
        source.advance(url, days, passed)


@contextmanager
def _url() -> Iterator[str]:
    process = ProcessEnvironment.current()
    if process.source_url:
        yield process.source_url
        return
    from datavision.local.postgres import EmbeddedPostgres

    with EmbeddedPostgres(state_dir(process) / "postgres") as server:
        yield server.url("source")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on a terminal, elsewhere a line for each table that starts."""
    if not err.is_terminal:
        said: set[str] = set()

        def say(table: str, done: int, total: int) -> None:
            if table not in said:
                said.add(table)
                step(f"{table} ({100 * done // total} % of {total:,} rows sent)")

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("making rows", total=None)
        yield lambda table, done, total: bar.update(task, description=table, completed=done, total=total)
