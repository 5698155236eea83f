"""ingesta beside dlt and ingestr: the eight tables of a business, first load and after one row in a hundred changed.

    python bench/ingesta_load.py --rows 10000000 --rounds 3

A real PostgreSQL holds what `datavision source load` makes. The floor is `COPY … TO STDOUT` of the same tables, one
after the other, into nothing. Ours reads one snapshot, lands immutable files and merges into the lakehouse; the others
write a DuckDB file: dlt with ConnectorX and a worker for each core, ingestr a command for each table with a reader for
each core. After the change ours reads what PostgreSQL wrote since, the others by `updated_at` what has one and the rest
whole. Each is a process of its own; they take turns; whoever has not every row at the end is named and not recorded.
ingestr is left out unless it is named with `--peers`: for a million rows its first load took ten times as long as
dlt's. Sling and ingestr from 0.15 on are missing: their wheels fetch programs from elsewhere. CPU seconds are those of
the reader and its children, without PostgreSQL's.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from measured import Cost, figures, install, machine, ratios, say, timed

from datavision.local.postgres import EmbeddedPostgres
from datavision.local.source.database import load
from datavision_lakehouse import LakehouseSettings, connect
from fargate_local.databases.programs import programs
from ingesta.tables import TABLES

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "ingesta.json"
PEERS = {
    "dlt": [
        "dlt[duckdb,parquet,sql_database]==1.31.0",
        "connectorx==0.4.6",
        "psycopg2-binary==2.9.13",
        "duckdb==1.5.5",
        "sqlalchemy<2.1",
    ],
    "ingestr": ["ingestr==0.14.155"],
}
ROWS_PER_ACCOUNT = 24.18
"""Of the business that `datavision source load` makes until 1 July 2026: 9,283,243 rows of 383,877 accounts."""
CHANGES = (
    "UPDATE accounts SET account_name = account_name || '.', updated_at = now()::timestamp "
    "WHERE account_id % 100 = {n}",
    "UPDATE accounts_subscription SET updated_at = now()::timestamp WHERE account_subscription_id % 100 = {n}",
    "UPDATE contents SET title = title || '.', updated_at = now()::timestamp WHERE content_id % 100 = {n}",
    "UPDATE content_attributes SET string_value = string_value || '.', updated_at = now()::timestamp "
    "WHERE content_id % 100 = {n}",
    "UPDATE subscription_payments SET amount = amount + 1 WHERE payment_id % 100 = {n}",
    "UPDATE account_premium_features SET amount_paid = amount_paid + 1 WHERE account_feature_id % 100 = {n}",
)


class Bench:
    """The source, and a folder for each reader."""

    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self.folder = folder
        self.url = server.url("source")
        self._server = server
        self._bin = {name: folder / "environments" / name / "bin" for name in PEERS}

    def fill(self, rows: int) -> dict[str, int]:
        """Make the business; return the rows of each table."""
        made = load(self.url, accounts=round(rows / ROWS_PER_ACCOUNT), seed=1, until=date(2026, 7, 1), replace=True)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        return made

    def change(self, number: int) -> None:
        """Change one row in a hundred, other ones for each number."""
        with psycopg.connect(self.url) as connection:
            for statement in CHANGES:
                connection.execute(statement.format(n=number).encode())
            connection.commit()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def forget(self) -> None:
        """Take away what everybody has loaded."""
        for name in ("ours", *PEERS):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS lakehouse WITH (FORCE)")
        self._server.url("lakehouse")

    def floor(self) -> Cost:
        """Have PostgreSQL send every row."""
        copies = [word for name in TABLES for word in ("-c", f"COPY {name} TO STDOUT")]
        return timed([programs() / "psql", "-X", "-q", "-o", os.devnull, *copies, self.url], dict(os.environ))

    def ours(self, _reading: str) -> Cost:
        script = REPOSITORY / "packages" / "ingesta" / "ingesta_datavision.py"
        return timed([sys.executable, script, "--env", "local"], {**os.environ, **self._variables})

    def dlt(self, reading: str) -> Cost:
        script = REPOSITORY / "bench" / "peers" / "ingesta_dlt.py"
        (self.folder / "dlt").mkdir(exist_ok=True)
        return timed([self._bin["dlt"] / "python", script, self.url, self.folder / "dlt", reading], dict(os.environ))

    def ingestr(self, reading: str) -> Cost:
        (self.folder / "ingestr").mkdir(exist_ok=True)
        # Without a network its report of use waits for minutes.
        env = {**os.environ, "INGESTR_DISABLE_TELEMETRY": "true"}
        commands = [timed(self._ingestr(name, reading), env) for name in TABLES]
        return Cost(
            0,
            sum(cost.seconds for cost in commands),
            sum(cost.cpu_seconds for cost in commands),
            max(cost.peak_bytes for cost in commands),
        )

    def counts(self, who: str) -> dict[str, int]:
        """Return how many rows of each table somebody has, and how many of them were changed by us."""
        if who == "ours":
            settings = LakehouseSettings.model_validate(
                {"catalog_url": self._server.url("lakehouse"), "data_path": str(self.folder / "ours" / "lake")}
            )
            with connect(settings, read_only=True) as lake:
                return _counts(lambda query: lake.execute(query).fetchone(), "lake.raw_datavision")
        if who == "source":
            with psycopg.connect(self.url) as connection:
                return _counts(lambda query: connection.execute(query.encode()).fetchone(), "public")
        with duckdb.connect(str(self.folder / who / "target.duckdb"), read_only=True) as target:
            return _counts(lambda query: target.execute(query).fetchone(), "raw")

    def _ingestr(self, name: str, reading: str) -> list[str | Path]:
        table = TABLES[name]
        words: list[str | Path] = [self._bin["ingestr"] / "ingestr", "ingest", "--yes", "--progress", "log"]
        words += ["--source-uri", self.url, "--source-table", f"public.{name}"]
        words += ["--dest-uri", f"duckdb:///{self.folder}/ingestr/target.duckdb", "--dest-table", f"raw.{name}"]
        # Its ConnectorX reads no increments: it cannot write their bound into the query.
        words += ["--extract-parallelism", str(os.cpu_count()), "--sql-backend", "pyarrow"]
        if table.cursor and reading == "changes":
            words += ["--incremental-strategy", "merge", "--incremental-key", table.cursor]
            words += [word for key in table.key for word in ("--primary-key", key)]
            words += ["--interval-start", "2026-07-02T00:00:00"]
        return words

    @property
    def _variables(self) -> dict[str, str]:
        place = self.folder / "ours"
        return {
            "DATAVISION_ENV": "local",
            "DATAVISION_SOURCE__URL": self.url,
            "DATAVISION_LANDING__PATH": str(place / "landing"),
            "DATAVISION_LAKEHOUSE__CATALOG_URL": self._server.url("lakehouse"),
            "DATAVISION_LAKEHOUSE__DATA_PATH": str(place / "lake"),
            "DATAVISION_LAKEHOUSE__MEMORY_LIMIT": "600MB",
        }


def _counts(ask: Callable[[str], Any], schema: str) -> dict[str, int]:
    found = {}
    for name, table in TABLES.items():
        (rows,) = ask(f"SELECT count(*) FROM {schema}.{name}")
        found[name] = int(rows)
        if table.cursor:
            (changed,) = ask(f"SELECT count(*) FROM {schema}.{name} WHERE updated_at >= TIMESTAMP '2026-07-02'")
            found[f"{name}, changed"] = int(changed)
    return found


def readers(bench: Bench, peers: list[str]) -> dict[str, Callable[[str], Cost]]:
    """Return how each reader reads."""
    who = {"ours": bench.ours, "dlt": bench.dlt, "ingestr": bench.ingestr}
    return {name: take for name, take in who.items() if name in ("ours", *peers)}


def measure(
    bench: Bench, takes: dict[str, Callable[[str], Cost]], rounds: int
) -> Iterator[dict[str, dict[str, list[Cost]]]]:
    """Yield what everybody took so far, for each reading, after every round."""
    runs: dict[str, dict[str, list[Cost]]] = {
        "first": {name: [] for name in ("floor", *takes)},
        "changes": {name: [] for name in takes},
    }
    for number in range(rounds):
        bench.forget()
        runs["first"]["floor"].append(bench.floor())
        for reading in ("first", "changes"):
            if reading == "changes":
                bench.change(number)
            expected = bench.counts("source")
            for name, take in takes.items():
                cost = take(reading)
                if (found := bench.counts(name)) != expected:
                    sys.exit(f"{name} has {found} after {reading}; the source has {expected}.")
                runs[reading][name].append(cost)
                say(
                    f"round {number + 1}, {reading}: {name} {cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of processor"
                )
        yield runs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", nargs="*", choices=list(PEERS), default=["dlt"])
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="datavision-ingesta-") as name,
        EmbeddedPostgres(Path(name) / "pg") as server,
    ):
        bench = Bench(Path(name), server)
        for peer in chosen.peers:
            install(bench.folder / "environments" / peer, PEERS[peer], compiled=False)
        takes = readers(bench, chosen.peers)
        # Nobody's first use of a program is measured, which compiles what it imports.
        bench.fill(10_000)
        for take in takes.values():
            take("first")
        rows = bench.fill(chosen.rows)
        say(f"the source has {sum(rows.values()):,} rows")
        for runs in measure(bench, takes, chosen.rounds):
            RESULT.write_text(json.dumps(summary(rows, chosen.peers, runs), indent=1) + "\n")
    sys.stdout.write(RESULT.read_text())


def summary(rows: dict[str, int], peers: list[str], runs: dict[str, dict[str, list[Cost]]]) -> dict[str, Any]:
    """Return medians, and how much longer the others take."""
    taken = {reading: figures(costs) for reading, costs in runs.items()}
    first, changes = (taken[reading]["seconds"] for reading in ("first", "changes"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "duckdb": duckdb.__version__,
            **{name: PEERS[name] for name in peers},
        },
        "rows": rows,
        **taken,
        "first: seconds to ours": ratios(first, to="ours"),
        "changes: seconds to ours": ratios(changes, to="ours"),
        "ours: seconds to floor": round(first["ours"] / first["floor"], 2),
        "ours: changes to first": round(changes["ours"] / first["ours"], 2),
        "runs": {
            reading: {who: [round(cost.seconds, 2) for cost in costs] for who, costs in by_name.items()}
            for reading, by_name in runs.items()
        },
    }


if __name__ == "__main__":
    main()
