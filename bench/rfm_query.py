"""The query of fact_rfm by itself, as dbt compiles it.

python bench/rfm_query.py --compile DATE SQL     # write the query that dbt would run
python bench/rfm_query.py SQL RESULT             # run it in the lakehouse, to a Parquet file
"""

import os
import sys
from pathlib import Path
from typing import Any

from datavision_lakehouse import LakehouseSettings, connect
from datavision_lakehouse.settings import ModuleSettings


class Settings(ModuleSettings):
    lakehouse: LakehouseSettings


def compile_query(day: str, sql: Path) -> None:
    from dbt.cli.main import dbtRunner

    from transformacion.workspace import workspace

    os.environ["DATAVISION_FECHA_RFM"] = day
    with workspace() as space:
        answer = dbtRunner().invoke(["compile", "--select", "fact_rfm", *space.arguments()])
    assert answer.success, answer.exception
    result: Any = answer.result
    sql.write_text(result.results[0].node.compiled_code)


def run(sql: Path, result: Path) -> None:
    with connect(Settings.load().lakehouse, read_only=True) as connection:
        connection.execute(f"copy ({sql.read_text()}) to '{result}'")


if __name__ == "__main__":
    if sys.argv[1] == "--compile":
        compile_query(sys.argv[2], Path(sys.argv[3]))
    else:
        run(Path(sys.argv[1]), Path(sys.argv[2]))
