"""fact_rfm beside what else people would write: a query per metric, polars, pandas and PySpark, side by side.

    PYTHONPATH=. python bench/rfm.py --accounts 1000000 --activities 20000000 --rounds 3

One random business in a lakehouse on a real PostgreSQL catalog, and the same tables as Parquet files for the others.
Everybody starts a process of its own, reads, computes one date, writes fact_rfm's rows, all columns. Ours is there
three times: `command` is `transformacion run --select fact_rfm`, from the start of Python to the commit; `step` is the
same in a fork of an interpreter that has loaded dbt, as in a shared container; `query` is the model's query alone, from
the lakehouse to a Parquet file, as the others write one. They take turns. The answers are compared row by row: who
disagrees is named and not timed. CPU seconds are those of the process and its children. Peers come from PyPI into
environments of their own; PySpark needs Java 17. `--times 10` then runs ours on ten times the business, with the same
memory.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from measured import Cost, figures, install, machine, ratios, say, timed
from warm_command import WarmCommand

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "rfm.json"
DAY = "2026-06-30"
COMMAND = ["transformacion", "run", "--select", "fact_rfm", "--fecha-rfm", DAY]
OURS = ("command", "step", "query")
PEERS: dict[str, list[str]] = {
    "per_metric": ["duckdb==1.5.5"],
    "polars": ["polars==2.1.0"],
    "pandas": ["pandas==3.1.1", "pyarrow==26.0.1"],
    "spark": ["pyspark==4.3.0"],
}
COLUMNS = {
    "version": ("text", "id_dim_cuenta"),
    "last": ("date", "ultima_actividad"),
    "days": ("int", "dias_desde_ultima_actividad"),
    "contents": ("bigint", "total_contenidos_creados"),
    "payments": ("bigint", "total_pagos_realizados"),
    "features": ("bigint", "total_features_compradas"),
    "frequency": ("bigint", "frecuencia_total"),
    "paid": ("decimal(38, 2)", "total_pagado_suscripciones"),
    "bought": ("decimal(38, 2)", "total_pagado_features"),
    "monetary": ("decimal(38, 2)", "valor_monetario_total"),
    "r": ("int", "recency_score"),
    "f": ("int", "frequency_score"),
    "m": ("int", "monetary_score"),
    "score": ("text", "rfm_score"),
    "segment": ("text", "segmento_rfm"),
    "day": ("date", "id_dim_fecha_rfm"),
}
"""What each answer has: the peers' name, its type, and the name in fact_rfm."""
TABLES = {
    "accounts": """
        select n as account_id, 'Cuenta ' || n as account_name, 'c' || n || '@ejemplo.com' as email,
            timestamp '2023-07-01' + to_seconds((hash(n, 1) % 94608000)::bigint) as created_at, created_at as updated_at
        from range({accounts}) as t(n)""",
    "subscriptions": """
        select * from (values (1, 'Gratuita', 5), (2, 'Premium', 50), (3, 'Empresarial', 1000))
            as t(subscription_id, subscription_name, max_contents_per_month),
            (select timestamp '2023-01-01' as created_at, timestamp '2023-01-01' as updated_at)""",
    "accounts_subscription": """
        select n as account_subscription_id, n as account_id, (1 + hash(n, 2) % 3)::int as subscription_id,
            date '2023-07-01' + (hash(n, 1) % 1095)::int as start_date,
            case when hash(n, 3) % 4 = 0 then start_date + (hash(n, 4) % 900)::int end as end_date,
            start_date::timestamp as created_at, start_date::timestamp as updated_at
        from range({accounts}) as t(n)""",
    "contents": """
        select n as content_id, (hash(n, 5) % {accounts})::bigint as account_id, 'Contenido ' || n as title,
            'Descripción ' || n as description, 'video' as content_type,
            timestamp '2025-01-01' + to_seconds((hash(n, 6) % 50000000)::bigint) as created_at, created_at as updated_at
        from range({activities} * 12 // 20) as t(n)""",
    "content_attributes": """
        select n as content_id, 'Categoría' as attribute_name, 'x' as string_value,
            null::decimal(12, 2) as decimal_value,
            timestamp '2025-01-01' as created_at, timestamp '2025-01-01' as updated_at
        from range(0) as t(n)""",
    "subscription_payments": """
        select n as payment_id, (hash(n, 7) % {accounts})::bigint as account_subscription_id,
            timestamp '2025-01-01' + to_seconds((hash(n, 8) % 50000000)::bigint) as payment_date,
            ((hash(n, 9) % 100000) / 100)::decimal(12, 2) as amount, 'tarjeta' as payment_method,
            'mensual' as billing_cycle
        from range({activities} * 6 // 20) as t(n)""",
    "premium_features": """
        select 1 as feature_id, 'A' as feature_name, '' as description, 1::decimal(12, 2) as base_price,
            timestamp '2023-01-01' as created_at, timestamp '2023-01-01' as updated_at""",
    "account_premium_features": """
        select n as account_feature_id, (hash(n, 10) % {accounts})::bigint as account_id, 1 as feature_id,
            timestamp '2025-01-01' + to_seconds((hash(n, 11) % 50000000)::bigint) as purchase_date,
            ((hash(n, 12) % 5000) / 100)::decimal(12, 2) as amount_paid
        from range({activities} * 2 // 20) as t(n)""",
}


class Bench:
    """The tables, ours and theirs."""

    def __init__(self, folder: Path, settings: LakehouseSettings, variables: dict[str, str]) -> None:
        self.folder = folder
        self.parquet = folder / "parquet"
        self._settings = settings
        self._env = {**os.environ, **variables}

    def fill(self, accounts: int, activities: int) -> None:
        """Make the business, in the lakehouse and as Parquet files."""
        self.parquet.mkdir()
        with connect(self._settings) as connection:
            connection.execute("create schema if not exists lake.raw_datavision")
            for name, query in TABLES.items():
                path = self.parquet / f"{name}.parquet"
                rows = query.format(accounts=accounts, activities=f"{activities}::bigint")
                connection.execute(f"copy ({rows}) to '{path}'")
                connection.execute(
                    f"create table lake.raw_datavision.{name} as "
                    f"select *, now() as _cargado_en, 'bench' as _id_carga from '{path}'"
                )
        self._transformacion("run", "--select", "staging")
        self._transformacion("snapshot", "--select", "snp_cuentas")
        self._transformacion(
            "build", "--select", "dim_cuentas_base", "segmentos_rfm", "--exclude-resource-type", "test"
        )
        with connect(self._settings, read_only=True) as connection:
            columns = "id_dim_cuenta, id_cuenta, valido_desde, valido_hasta"
            versions = f"select {columns} from lake.marts.dim_cuentas_base"
            connection.execute(f"copy ({versions}) to '{self.parquet / 'versions.parquet'}'")
        words = [sys.executable, str(REPOSITORY / "bench" / "rfm_query.py"), "--compile", DAY, str(self._query)]
        subprocess.run(words, env=self._env, check=True, capture_output=True)

    def ours(self, way: str) -> Cost:
        """Compute the date as `command`, `step` or `query`."""
        if way == "step":
            with WarmCommand("transformacion", self._env) as warm:
                return warm.run(COMMAND)
        if way == "command":
            return timed([self._program, *COMMAND[1:]], self._env)
        script = REPOSITORY / "bench" / "rfm_query.py"
        return timed([sys.executable, str(script), str(self._query), str(self.answer("query"))], self._env)

    def peer(self, name: str) -> Cost:
        """Have a peer compute it."""
        result = self.answer(name)
        shutil.rmtree(result, ignore_errors=True) if result.is_dir() else result.unlink(missing_ok=True)
        script = REPOSITORY / "bench" / "peers" / f"rfm_{name}.py"
        python = self.folder / "peers" / name / "bin" / "python"
        return timed([str(python), str(script), str(self.parquet), DAY, str(result)], dict(os.environ))

    def take(self, who: str) -> Cost:
        """Have ours or a peer compute it."""
        return self.ours(who) if who in OURS else self.peer(who)

    def answer(self, name: str) -> Path:
        """Return where a peer writes its rows."""
        return self.folder / f"{name}.parquet"

    def differing(self, name: str) -> int:
        """Return how many rows a peer's answer has otherwise than ours, or only one of the two has."""
        path = self.answer(name)
        files = f"{path}/*.parquet" if path.is_dir() else str(path)
        theirs = ", ".join(f"{column}::{kind} as {column}" for column, (kind, _) in COLUMNS.items())
        ours = ", ".join(f"{called}::{kind} as {column}" for column, (kind, called) in COLUMNS.items())
        with connect(self._settings, read_only=True) as connection:
            connection.execute(f"""
                create temp table theirs as select {theirs} from '{files}';
                create temp table ours as
                select {ours} from lake.marts.fact_rfm where id_dim_fecha_rfm = '{DAY}'""")
            counts = [
                connection.execute(f"select count(*) from (from {a} except all from {b})").fetchone()
                for a, b in (("theirs", "ours"), ("ours", "theirs"))
            ]
        return sum(int(count[0]) for count in counts if count)

    @property
    def _program(self) -> str:
        return str(Path(sysconfig.get_path("scripts")) / "transformacion")

    def _transformacion(self, *words: str) -> None:
        subprocess.run([self._program, *words], env=self._env, check=True, capture_output=True)

    @property
    def _query(self) -> Path:
        return self.folder / "fact_rfm.sql"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--activities", type=int, default=20_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    options.add_argument("--times", type=int, default=10, help="of the business, for ours alone; 1: leave that out")
    options.add_argument("--check-only", action="store_true", help="compare the answers; record nothing")
    chosen = options.parse_args()
    with business(chosen.accounts, chosen.activities) as bench:
        for peer in chosen.peers:
            install(bench.folder / "peers" / peer, PEERS[peer])
        bench.ours("command")
        for who in ("query", *chosen.peers):
            bench.take(who)
            if who in PEERS and (different := bench.differing(who)):
                sys.exit(f"{who} has {different} rows otherwise.")
            say(f"{who} agrees on every row")
        if chosen.check_only:
            return
        runs: dict[str, list[Cost]] = {name: [] for name in (*OURS, *chosen.peers)}
        for number in range(chosen.rounds):
            for who in runs:
                runs[who].append(bench.take(who))
                say(f"round {number + 1}: {who} {runs[who][-1].seconds:.1f} s")
        found = summary(chosen, runs)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    if chosen.times > 1:
        RESULT.write_text(json.dumps(found | {"larger": larger(chosen)}, indent=1) + "\n")
    sys.stdout.write(RESULT.read_text())


@contextmanager
def business(accounts: int, activities: int, memory: str = "2GB") -> Iterator[Bench]:
    """Make a business of this size in a lakehouse; DuckDB may use `memory`."""
    with tempfile.TemporaryDirectory(prefix="datavision-rfm-") as name, EmbeddedPostgres(Path(name) / "pg") as server:
        folder = Path(name)
        lakehouse = {
            "catalog_url": server.url("lakehouse"),
            "data_path": str(folder / "lake"),
            "memory_limit": memory,
        }
        variables = {f"DATAVISION_LAKEHOUSE__{key.upper()}": value for key, value in lakehouse.items()}
        bench = Bench(folder, LakehouseSettings.model_validate(lakehouse), {"DATAVISION_ENV": "local", **variables})
        bench.fill(accounts, activities)
        yield bench


def larger(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run ours on a larger business in the same memory."""
    accounts, activities = chosen.accounts * chosen.times, chosen.activities * chosen.times
    with business(accounts, activities) as bench:
        bench.ours("command")
        runs = {way: [bench.ours(way)] for way in ("command", "query")}
    return {"accounts": accounts, "activities": activities, **figures(runs)}


def summary(chosen: argparse.Namespace, runs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Return medians, and how much longer the others take than each of ours."""
    taken = figures(runs)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {"python": platform.python_version(), "duckdb": duckdb.__version__, **PEERS},
        "accounts": chosen.accounts,
        "activities": chosen.activities,
        **taken,
        "seconds of others to ours": compared(taken["seconds"], chosen.peers),
        "cpu seconds of others to ours": compared(taken["cpu_seconds"], chosen.peers),
        "runs": {who: [round(cost.seconds, 2) for cost in costs] for who, costs in runs.items()},
    }


def compared(values: dict[str, float], peers: list[str]) -> dict[str, dict[str, float]]:
    """Return how many times as much each peer takes, for each way of ours."""
    return {way: ratios({peer: values[peer] for peer in peers} | {way: values[way]}, to=way) for way in OURS}


if __name__ == "__main__":
    main()
