"""The source database: load it, report its state, advance it by days."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import sql

from datavision.errors import UserError
from datavision.exit_codes import FAILURE
from datavision.local.source import business
from datavision.local.source.copying import copy_table
from datavision.local.source.day import Changes, Today, one_day
from datavision.local.source.generate import generate
from datavision.source_tables import SOURCE_TABLES

_KEYS: Final = {
    "accounts": "account_id",
    "accounts_subscription": "account_subscription_id",
    "contents": "content_id",
    "subscription_payments": "payment_id",
    "account_premium_features": "account_feature_id",
}
_LOCK: Final = 0x4441544156495349
"""Number of the advisory lock under which the source is written: `DATAVISI` in ASCII."""


class SourceError(UserError):
    """The source database cannot be loaded or advanced; says what to do instead."""


class SourceUnreachable(SourceError):  # noqa: N818 - reads as the state that it reports
    """The source database cannot be reached."""

    exit_code = FAILURE


@dataclass(frozen=True)
class Standing:
    """How far the generator has come: everything before the start of `day` exists."""

    seed: int
    day: date


def counts(url: str) -> dict[str, int] | None:
    """Return the number of rows of each of the eight tables, or None when they are not all there."""
    with _connected(url) as connection:
        return _counts(connection)


def load(
    url: str,
    *,
    accounts: int,
    seed: int,
    until: date,
    replace: bool = False,
    progress: Callable[[str, int, int], object] = lambda _table, _done, _total: None,
) -> dict[str, int]:
    """Create the eight tables as they are at the start of `until`; return the number of rows by table.

    All of it appears at once. `progress` is called with table, rows sent and rows in all.

    Raises:
        SourceError: There are rows already and `replace` is not set, or `accounts` is not positive.
    """
    if accounts < 1:
        raise SourceError(f"--accounts is {accounts}: it must be at least 1.")
    with _connected(url) as connection, connection.transaction():
        _lock(connection)
        present = _counts(connection)
        if not replace and present and any(present.values()):
            raise SourceError(
                f"The source already holds {sum(present.values()):,} rows. Advance it with: datavision source advance; "
                "or replace it, losing them, with: datavision source load --replace."
            )
        tables = generate(accounts, seed, until)
        connection.execute("SET LOCAL synchronous_commit = off")
        for name in reversed(SOURCE_TABLES):
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        _run_script(connection, "tables.sql")
        total = sum(rows.num_rows for rows in tables.values())
        done = 0

        def sent(number: int) -> None:
            nonlocal done
            done += number
            progress(name, done, total)

        for name in SOURCE_TABLES:
            copy_table(connection, name, tables[name], sent)
        progress("keys and indexes", total, total)
        _run_script(connection, "constraints.sql")
        _stand(connection, Standing(seed, until))
    return {name: tables[name].num_rows for name in SOURCE_TABLES}


def standing(url: str) -> Standing | None:
    """Return how far the generator has come, or None when it did not create this source."""
    with _connected(url) as connection:
        return _standing(connection)


def advance(url: str, days: int, progress: Callable[[date], object] = lambda _day: None) -> date:
    """Advance the business by `days`, all or none of them; return the day at whose start it then is.

    Raises:
        SourceError: `source load` did not create this source, or `days` is not positive.
    """
    if days < 1:
        raise SourceError(f"--days is {days}: it must be at least 1.")
    with _connected(url) as connection, connection.transaction():
        _lock(connection)
        now = _standing(connection)
        if now is None:
            raise SourceError(
                "This source was not made by `datavision source load`, so it cannot be advanced. "
                "Create one with: datavision source load."
            )
        for _ in range(days):
            rng = np.random.default_rng([now.seed, now.day.toordinal()])
            _apply(connection, one_day(rng, _today(connection, now.day)))
            now = Standing(now.seed, now.day + timedelta(days=1))
            progress(now.day)
        _stand(connection, now)
    return now.day


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url, connect_timeout=10)
    except psycopg.ProgrammingError:
        raise SourceError("The source URL is not a PostgreSQL URL. Correct DATAVISION_SOURCE__URL.") from None
    except psycopg.OperationalError as error:
        reason = str(error).split("FATAL: ")[-1].strip().splitlines()[0]
        raise SourceUnreachable(
            f"The source database cannot be reached: {reason}. Check that it is up, and DATAVISION_SOURCE__URL."
        ) from None
    with connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


def _lock(connection: psycopg.Connection) -> None:
    # Two concurrent loads or advances would each start from the same day.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _run_script(connection: psycopg.Connection, name: str) -> None:
    connection.execute(files(__package__).joinpath(name).read_bytes())


def _counts(connection: psycopg.Connection) -> dict[str, int] | None:
    found = connection.execute(
        "SELECT count(*) FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL", [list(SOURCE_TABLES)]
    ).fetchone()
    if found is None or found[0] < len(SOURCE_TABLES):
        return None
    rows = {}
    for name in SOURCE_TABLES:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
        rows[name] = int(_one(connection, query))
    return rows


def _standing(connection: psycopg.Connection) -> Standing | None:
    if _one(connection, sql.SQL("SELECT to_regclass('datavision_generator.standing')")) is None:
        return None
    row = connection.execute("SELECT seed, day FROM datavision_generator.standing").fetchone()
    return Standing(*row) if row else None


def _stand(connection: psycopg.Connection, now: Standing) -> None:
    # In a schema of its own: the source has eight tables and no more.
    connection.execute("CREATE SCHEMA IF NOT EXISTS datavision_generator")
    connection.execute("CREATE TABLE IF NOT EXISTS datavision_generator.standing (seed bigint, day date)")
    connection.execute("DELETE FROM datavision_generator.standing")
    connection.execute("INSERT INTO datavision_generator.standing VALUES (%s, %s)", [now.seed, now.day])


def _one(connection: psycopg.Connection, query: sql.SQL | sql.Composed, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _today(connection: psycopg.Connection, day: date) -> Today:
    cursor = connection.cursor()
    subscriptions = cursor.execute(
        """
        SELECT s.account_subscription_id, s.account_id, s.subscription_id - 1, p.payment_date::date,
            coalesce(array_position(%s::text[], p.billing_cycle) - 1, -1),
            coalesce(array_position(%s::text[], p.payment_method) - 1, -1)
        FROM accounts_subscription s
        LEFT JOIN LATERAL (
            SELECT * FROM subscription_payments q WHERE q.account_subscription_id = s.account_subscription_id
            ORDER BY q.payment_date DESC, q.payment_id DESC LIMIT 1
        ) p ON true
        WHERE s.end_date IS NULL ORDER BY 1
        """,
        [list(business.CYCLE_NAMES), list(business.METHOD_NAMES)],
    ).fetchall()
    open_subscription = list(zip(*subscriptions, strict=True)) or [()] * 6
    authors = cursor.execute(
        "SELECT account_id, count(*) FROM contents WHERE created_at >= %s::date - 90 GROUP BY 1 ORDER BY 1", [day]
    ).fetchall()
    author = list(zip(*authors, strict=True)) or [()] * 2
    newest = _one(connection, sql.SQL("SELECT max(updated_at) FROM contents")) or datetime.combine(
        day, datetime.min.time()
    )
    return Today(
        day=np.datetime64(day, "D"),
        last_ids={name: _last_id(connection, name) for name in _KEYS},
        newest_content_update=np.datetime64(newest, "us"),
        subscription=np.array(open_subscription[0], dtype=np.int64),
        subscriber=np.array(open_subscription[1], dtype=np.int64),
        plan=np.array(open_subscription[2], dtype=np.int64),
        paid_on=np.array(open_subscription[3], dtype="datetime64[D]"),
        cycle=np.array(open_subscription[4], dtype=np.int64),
        method=np.array(open_subscription[5], dtype=np.int64),
        author=np.array(author[0], dtype=np.int64),
        contents_in_90_days=np.array(author[1], dtype=np.int64),
        recent_payment=_ids(
            connection,
            "SELECT payment_id FROM subscription_payments WHERE payment_date >= %s::date - 30 ORDER BY 1",
            day,
        ),
        recent_content=_ids(
            connection, "SELECT content_id FROM contents WHERE created_at >= %s::date - 180 ORDER BY 1", day
        ),
        accounts=_ids(connection, "SELECT account_id FROM accounts WHERE created_at < %s::date ORDER BY 1", day),
    )


def _last_id(connection: psycopg.Connection, table: str) -> int:
    query = sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(sql.Identifier(_KEYS[table]), sql.Identifier(table))
    return int(_one(connection, query))


def _ids(connection: psycopg.Connection, query: str, day: date) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = connection.execute(query.encode(), [day]).fetchall()
    return np.array([row[0] for row in rows], dtype=np.int64)


def _apply(connection: psycopg.Connection, changes: Changes) -> None:
    for name in SOURCE_TABLES:
        if name in changes.new:
            copy_table(connection, name, changes.new[name])
    for change in changes.changed:
        connection.execute(change.statement.encode(), change.arrays)
