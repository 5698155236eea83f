"""What the hash of every row costs: `DATAVISION_INGESTA__ROW_HASH` `never` beside `always`, on a real PostgreSQL,
without the row versions that make it superfluous.

    python bench/ingesta_hash.py --rows 10000000

A table `contents` of that many rows is read whole, then by its changes: the newest thousandth has a new
title, and so have a few old rows whose cursor did not move, which only the hash finds. A source
query's time is that of the statement alone (EXPLAIN ANALYZE with SERIALIZE, one process): nothing is sent. CPU seconds
say more than the clock does where other programs run beside.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from datavision.local.postgres import EmbeddedPostgres
from ingesta.load import load
from ingesta.progress import Reporter
from ingesta.settings import Settings
from ingesta.structure import Column, row_hash
from ingesta.tables import select

COLUMNS = ("content_id", "account_id", "title", "description", "content_type", "created_at", "updated_at")
TABLE = """
CREATE TABLE contents (
    content_id bigint PRIMARY KEY, account_id bigint NOT NULL, title text, description text, content_type text,
    created_at timestamp NOT NULL, updated_at timestamp NOT NULL
)
"""
ROWS = """
INSERT INTO contents
SELECT n, n % 100000, 'Contenido ' || n, 'Descripción ' || md5(n::text) || md5((n + 1)::text),
       (ARRAY['Quiz', 'Video', 'Mapa'])[1 + n % 3],
       timestamp '2020-01-01' + n * interval '15 seconds', timestamp '2020-01-02' + n * interval '15 seconds'
FROM generate_series(1, %s) AS n
"""
CHANGE = """
UPDATE contents SET title = title || '.'
WHERE content_id > (SELECT max(content_id) * 0.999 FROM contents) OR content_id % 100003 = 7
"""


@dataclass(frozen=True)
class Taken:
    """Time by the clock and on the processors."""

    seconds: float
    cpu_seconds: float


def source_query(url: str, expressions: str) -> Taken:
    """What the source alone needs to make these columns of all rows ready for sending."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        backend = psutil.Process(connection.info.backend_pid)
        before = backend.cpu_times()
        query = f"EXPLAIN (ANALYZE, SERIALIZE BINARY, TIMING OFF, FORMAT JSON) SELECT {expressions} FROM contents"
        row = connection.execute(query.encode()).fetchone()
        after = backend.cpu_times()
    assert row
    return Taken(
        round(row[0][0]["Execution Time"] / 1000, 2),
        round(after.user + after.system - before.user - before.system, 2),
    )


def read(folder: Path, row_hash_setting: str) -> dict[str, Any]:
    """One load: how long its table took to land, and this process's share of it."""
    os.environ["DATAVISION_INGESTA__ROW_HASH"] = row_hash_setting
    os.environ["DATAVISION_LANDING__PATH"] = str(folder / "landing")
    os.environ["DATAVISION_LAKEHOUSE__DATA_PATH"] = str(folder / "lake")
    began = time.process_time()
    done = load(Settings.load(), select(["contents"]), Reporter())
    (landed,) = done.extracts
    return {
        "reading": landed.reading,
        "read_seconds": round(landed.seconds, 1),
        "load_seconds": round(done.seconds, 1),
        "load_cpu_seconds": round(time.process_time() - began, 1),
        "changed_rows": done.merged[0].inserted + done.merged[0].updated,
        "landed_bytes": landed.bytes,
    }


def measure(server: EmbeddedPostgres, folder: Path, rows: int) -> dict[str, Any]:
    url = server.url("source")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute(ROWS.replace("%s", str(rows)).encode())
        connection.execute("VACUUM ANALYZE contents")
        size = connection.execute("SELECT pg_table_size('contents')").fetchone()
    assert size
    os.environ |= {
        "DATAVISION_ENV": "local",
        "DATAVISION_SOURCE__URL": url,
        "DATAVISION_INGESTA__COMPARE_ROWS": "0",
        "DATAVISION_INGESTA__ROW_VERSIONS": "false",
    }
    columns = [Column(name, "") for name in COLUMNS]
    pairs = "content_id, updated_at"
    found: dict[str, Any] = {
        "rows": rows,
        "table_bytes": size[0],
        "source_queries": {
            "key and cursor": asdict(source_query(url, pairs)),
            "key, cursor and hash": asdict(source_query(url, f"{pairs}, {row_hash(columns)}")),
            "all columns": asdict(source_query(url, ", ".join(COLUMNS))),
        },
    }
    loads: dict[str, list[dict[str, Any]]] = {}
    for setting in ("never", "always"):
        os.environ["DATAVISION_LAKEHOUSE__CATALOG_URL"] = server.url(f"lake_{setting}")
        loads[setting] = [read(folder / setting, setting)]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(CHANGE)
        loads[setting].append(read(folder / setting, setting))
    return found | {"loads": loads}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000)
    rows = options.parse_args().rows
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="datavision-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "postgres") as server:
            found = measure(server, folder, rows)
    machine = {
        "cores": os.cpu_count(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps({"machine": machine, **found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
