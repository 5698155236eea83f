"""fact_rfm beside what else people would write: one scan per metric, polars, pandas and PySpark, side by side.

    PYTHONPATH=. python bench/rfm.py --accounts 1000000 --activities 20000000 --rounds 3

One random business in a lakehouse on a real PostgreSQL catalog, and the same tables as Parquet files for the others.
Everybody starts a process of its own, reads, computes one date, writes its rows; ours is
`transformacion run --select fact_rfm`. They take turns. The answers are compared account by account:
who disagrees is named and not timed. Peers come from PyPI into environments of their own; PySpark needs Java 17.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psutil

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "rfm.json"
DAY = "2026-06-30"
PEERS: dict[str, list[str]] = {
    "per_metric": ["duckdb==1.5.5"],
    "polars": ["polars==2.1.0"],
    "pandas": ["pandas==3.1.1", "pyarrow==26.0.1"],
    "spark": ["pyspark==4.3.0"],
}
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
                connection.execute(f"copy ({query.format(accounts=accounts, activities=activities)}) to '{path}'")
                connection.execute(
                    f"create table lake.raw_datavision.{name} as "
                    f"select *, now() as _cargado_en, 'bench' as _id_carga from '{path}'"
                )
        self._transformacion("run", "--select", "staging")
        self._transformacion("snapshot")
        self._transformacion(
            "build", "--select", "dim_cuentas_base", "segmentos_rfm", "--exclude-resource-type", "test"
        )

    def ours(self) -> tuple[float, int]:
        """Compute the date; return seconds and the peak of memory in bytes."""
        return self._timed([self._program, "run", "--select", "fact_rfm", "--fecha-rfm", DAY], self._env)

    def peer(self, name: str) -> tuple[float, int]:
        """Have a peer compute it; return seconds and the peak of memory in bytes."""
        result = self.answer(name)
        shutil.rmtree(result, ignore_errors=True) if result.is_dir() else result.unlink(missing_ok=True)
        script = REPOSITORY / "bench" / "peers" / f"rfm_{name}.py"
        python = self.folder / "peers" / name / "bin" / "python"
        return self._timed([str(python), str(script), str(self.parquet), DAY, str(result)], dict(os.environ))

    def answer(self, name: str) -> Path:
        """Return where a peer writes its rows."""
        return self.folder / f"{name}.parquet"

    def install(self, name: str) -> None:
        """Make a peer's environment."""
        place = self.folder / "peers" / name
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        words = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(place), *PEERS[name]]
        subprocess.run(words, check=True)

    def differing(self, name: str) -> int:
        """Return how many accounts a peer's answer has otherwise than ours, or only one of the two has."""
        path = self.answer(name)
        files = f"{path}/*.parquet" if path.is_dir() else str(path)
        columns = "days::int, frequency::bigint, monetary::decimal(38, 2), r::int, f::int, m::int, segment"
        with connect(self._settings, read_only=True) as connection:
            connection.execute(f"""
                create temp table theirs as select account_id, {columns} from '{files}';
                create temp table ours as
                select c.id_cuenta, f.dias_desde_ultima_actividad, f.frecuencia_total, f.valor_monetario_total,
                    f.recency_score, f.frequency_score, f.monetary_score, f.segmento_rfm
                from lake.marts.fact_rfm as f join lake.marts.dim_cuentas_base as c using (id_dim_cuenta)
                where f.id_dim_fecha_rfm = '{DAY}'""")
            counts = [
                connection.execute(f"select count(*) from (from {a} except from {b})").fetchone()
                for a, b in (("theirs", "ours"), ("ours", "theirs"))
            ]
        return sum(int(count[0]) for count in counts if count)

    @property
    def _program(self) -> str:
        return str(Path(sysconfig.get_path("scripts")) / "transformacion")

    def _transformacion(self, *words: str) -> None:
        subprocess.run([self._program, *words], env=self._env, check=True, capture_output=True)

    @staticmethod
    def _timed(words: list[str], env: dict[str, str]) -> tuple[float, int]:
        began = time.monotonic()
        process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        memory = Peak(process.pid)
        text, _ = process.communicate()
        seconds = time.monotonic() - began
        if process.returncode:
            sys.exit(f"{' '.join(words)} ended with {process.returncode}:\n{text[-3000:]}")
        return seconds, memory.stop()


class Peak:
    """The most memory that a process and its children had at once, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._end.set()
        self._thread.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            try:
                root = psutil.Process(self._pid)
                tree = [root, *root.children(recursive=True)]
                self._bytes = max(self._bytes, sum(process.memory_info().rss for process in tree))
            except psutil.Error:
                continue


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--activities", type=int, default=20_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    options.add_argument("--check-only", action="store_true", help="compare the answers; record nothing")
    chosen = options.parse_args()
    times: dict[str, list[tuple[float, int]]] = {name: [] for name in ("ours", *chosen.peers)}
    with tempfile.TemporaryDirectory(prefix="datavision-rfm-") as name, EmbeddedPostgres(Path(name) / "pg") as server:
        folder = Path(name)
        variables = {
            "DATAVISION_ENV": "local",
            "DATAVISION_LAKEHOUSE__CATALOG_URL": server.url("lakehouse"),
            "DATAVISION_LAKEHOUSE__DATA_PATH": str(folder / "lake"),
            "DATAVISION_LAKEHOUSE__MEMORY_LIMIT": "2GB",
        }
        settings = LakehouseSettings.model_validate(
            {"catalog_url": server.url("lakehouse"), "data_path": str(folder / "lake"), "memory_limit": "2GB"}
        )
        bench = Bench(folder, settings, variables)
        bench.fill(chosen.accounts, chosen.activities)
        for peer in chosen.peers:
            bench.install(peer)
        bench.ours()
        for peer in chosen.peers:
            bench.peer(peer)
            if different := bench.differing(peer):
                sys.exit(f"{peer} has {different} accounts otherwise.")
            say(f"{peer} agrees on every account")
        for number in range(0 if chosen.check_only else chosen.rounds):
            for who in times:
                times[who].append(bench.ours() if who == "ours" else bench.peer(who))
                say(f"round {number + 1}: {who} {times[who][-1][0]:.1f} s")
    if not chosen.check_only:
        RESULT.write_text(json.dumps(summary(chosen, times), indent=1) + "\n")
        sys.stdout.write(RESULT.read_text())


def summary(chosen: argparse.Namespace, times: dict[str, list[tuple[float, int]]]) -> dict[str, Any]:
    """Return medians, and how much longer the others take."""
    seconds = {who: round(statistics.median(taken for taken, _ in runs), 2) for who, runs in times.items()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total // 2**30} GiB",
        "versions": {"python": platform.python_version(), "duckdb": duckdb.__version__, **PEERS},
        "accounts": chosen.accounts,
        "activities": chosen.activities,
        "seconds": seconds,
        "peak_mib": {who: max(memory for _, memory in runs) // 2**20 for who, runs in times.items()},
        "times as long as ours": {who: round(taken / seconds["ours"], 2) for who, taken in seconds.items()},
        "runs": {who: [round(taken, 2) for taken, _ in runs] for who, runs in times.items()},
    }


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
