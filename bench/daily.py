"""The daily transformation: first, again without a change, after one row in a hundred changed, and everything rebuilt.

    python bench/daily.py --accounts 400000 10000

ingesta loads a business of `datavision source load` into a lakehouse on a real PostgreSQL catalog; then the daily DAG's
steps that write or test run in it one after the other, each in a fork of an interpreter that has loaded dbt, as in a
shared container. After the change ingesta loads what changed, and the steps run again. Rebuilt is the same day in a
lakehouse that has the raw tables only. In the end both lakehouses have to hold the same facts. All of that for each
number of accounts: the first is the figure, the others stand beside it and show what dbt costs whatever the data.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from ingesta_load import ROWS_PER_ACCOUNT, Bench
from measured import Cost, machine, say
from warm_command import WarmCommand

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import LakehouseSettings, connect

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "bench" / "results" / "daily.json"
STEPS = {
    "fuentes": ["transformacion", "test", "--select", "source:raw_datavision"],
    "staging": ["transformacion", "build", "--select", "staging", "--exclude", "source:raw_datavision"],
    "snapshots": ["transformacion", "snapshot"],
    "marts": ["transformacion", "build", "--select", "marts", "--exclude", "fact_rfm"],
}
SEEDS = ["transformacion", "build", "--select", "segmentos_rfm", "--exclude-resource-type", "test"]
SAME = (
    "select count(*), sum(hash(id_contenido, titulo)) from marts.dim_contenidos where es_actual",
    "select count(*), sum(hash(f)) from marts.fact_ingresos_recurrentes as f",
)
"""Answers that no history changes."""


class Lakehouse:
    """One lakehouse over the source, and the day's steps in it."""

    def __init__(self, bench: Bench, server: EmbeddedPostgres, name: str) -> None:
        self.settings = {
            "catalog_url": server.url(name),
            "data_path": str(bench.folder / name / "lake"),
            "memory_limit": "2GB",
        }
        variables = {f"DATAVISION_LAKEHOUSE__{key.upper()}": value for key, value in self.settings.items()}
        self._env = {
            **os.environ,
            **variables,
            "DATAVISION_ENV": "local",
            "DATAVISION_SOURCE__URL": bench.url,
            "DATAVISION_LANDING__PATH": str(bench.folder / name / "landing"),
        }

    def load(self) -> None:
        script = REPOSITORY / "packages" / "ingesta" / "ingesta_datavision.py"
        subprocess.run([sys.executable, script, "--env", "local"], env=self._env, check=True, capture_output=True)

    def seed(self) -> None:
        with WarmCommand("transformacion", self._env) as warm:
            warm.run(SEEDS)

    def day(self) -> dict[str, Cost]:
        """Run the day's steps."""
        with WarmCommand("transformacion", self._env) as warm:
            return {name: warm.run(words) for name, words in STEPS.items()}

    def facts(self) -> list[Any]:
        """Return what has to be the same in both lakehouses."""
        with connect(LakehouseSettings.model_validate(self.settings), read_only=True) as lake:
            return [lake.execute(query).fetchone() for query in SAME]


def measure(bench: Bench, server: EmbeddedPostgres) -> dict[str, dict[str, Cost]]:
    """Return what each step of each day took."""
    kept, new = Lakehouse(bench, server, "kept"), Lakehouse(bench, server, "new")
    days = {}
    kept.load()
    kept.seed()
    days["first"] = kept.day()
    days["unchanged"] = kept.day()
    bench.change(7)
    kept.load()
    days["changed"] = kept.day()
    new.load()
    new.seed()
    days["rebuilt"] = new.day()
    if kept.facts() != new.facts():
        sys.exit(f"{kept.facts()} after the change, but {new.facts()} rebuilt")
    return days


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, nargs="+", default=[400_000, 10_000])
    found = [run(accounts) for accounts in options.parse_args().accounts]
    RESULT.write_text(json.dumps(found[0] | {"smaller": found[1:]}, indent=1) + "\n")
    sys.stdout.write(RESULT.read_text())


def run(accounts: int) -> dict[str, Any]:
    """Measure a business of this many accounts."""
    with tempfile.TemporaryDirectory(prefix="datavision-daily-") as name, EmbeddedPostgres(Path(name, "pg")) as server:
        bench = Bench(Path(name), server)
        rows = bench.fill(round(accounts * ROWS_PER_ACCOUNT))
        say(f"the source has {sum(rows.values()):,} rows")
        return summary(rows, measure(bench, server))


def summary(rows: dict[str, int], days: dict[str, dict[str, Cost]]) -> dict[str, Any]:
    """Return the sums of each day, and its steps."""
    cpu = {day: round(sum(cost.cpu_seconds for cost in steps.values()), 2) for day, steps in days.items()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {"python": platform.python_version(), "duckdb": duckdb.__version__},
        "rows": rows,
        "seconds": {day: round(sum(cost.seconds for cost in steps.values()), 2) for day, steps in days.items()},
        "cpu_seconds": cpu,
        "changed to rebuilt": round(cpu["changed"] / cpu["rebuilt"], 3),
        "steps, cpu seconds": {
            day: {name: round(cost.cpu_seconds, 2) for name, cost in steps.items()} for day, steps in days.items()
        },
        "peak_mib": {day: max(cost.peak_bytes for cost in steps.values()) // 2**20 for day, steps in days.items()},
    }


if __name__ == "__main__":
    main()
