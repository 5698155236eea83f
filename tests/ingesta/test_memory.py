import sys
from typing import Any

import pytest

Place = Any

_LOAD = """
import re, sys
from pathlib import Path
from ingesta import tables
from ingesta.cli import main
tables.TABLES["big"] = tables.Table("big", key=("id",), cursor="updated_at")
sys.argv = ["ingesta", "--env", "local", "--tables", "big", "--validar-calidad-datos"]
try:
    main()
except SystemExit as ended:
    code = ended.code
# getrusage's peak would begin at the size of the test's own process, from which this one was forked.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_table(place: Place) -> None:
    import subprocess

    peaks = []
    place.more = {"DATAVISION_LAKEHOUSE__MEMORY_LIMIT": "200MB", "DATAVISION_LAKEHOUSE__THREADS": "2"}
    for rows in (100_000, 2_000_000):
        place.change(
            "DROP TABLE IF EXISTS big",
            "CREATE UNLOGGED TABLE big AS SELECT i AS id, md5(i::text) AS a, md5((i * 7)::text) AS b, "
            "(i % 1000)::numeric(12, 2) AS amount, timestamp '2026-01-01' + i * interval '1 second' AS updated_at "
            f"FROM generate_series(1, {rows}) AS i",
        )
        # The second round compares a table that is nearly all new with what is there and replaces it.
        done = subprocess.run(
            [sys.executable, "-c", _LOAD], env=place.child_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"{rows:,}" in done.stderr
        peaks.append(int(done.stdout) * 1024)
    assert peaks[1] < 800_000_000
    assert peaks[1] - peaks[0] < 500_000_000
