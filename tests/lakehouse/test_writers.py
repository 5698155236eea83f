"""DuckLake 1.0 corrupts its catalog when two connections of one DuckDB instance write: what we rely on instead."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from datavision_lakehouse import LakehouseSettings, connect, dbt_profile

# What the corruption looks like in the catalog: see "Lakehouse" in the facts the project was built on.
_FAULTS = """
WITH relation AS (
    SELECT table_id AS id, schema_id, table_name AS name FROM ducklake_table WHERE end_snapshot IS NULL
    UNION ALL SELECT view_id, schema_id, view_name FROM ducklake_view WHERE end_snapshot IS NULL
), living AS (SELECT * FROM ducklake_schema WHERE end_snapshot IS NULL)
SELECT 'in no schema', name FROM relation WHERE schema_id NOT IN (SELECT schema_id FROM living)
UNION ALL SELECT 'schema twice', schema_name FROM living GROUP BY schema_name HAVING count(*) > 1
UNION ALL SELECT 'name twice', name FROM relation GROUP BY schema_id, name HAVING count(*) > 1
UNION ALL SELECT 'id twice', id::text FROM (SELECT id FROM relation UNION ALL SELECT schema_id FROM living) i
    GROUP BY id HAVING count(*) > 1
"""

_WRITER = """
import sys
from datavision_lakehouse import LakehouseSettings, connect
with connect(LakehouseSettings(catalog_url=sys.argv[1], data_path=sys.argv[2])) as lake:
    lake.execute(f"CREATE SCHEMA IF NOT EXISTS {sys.argv[3]}")
    for number in range(6):
        lake.execute(f"CREATE OR REPLACE VIEW {sys.argv[3]}.v{number} AS SELECT '{sys.argv[3]}' AS home")
        lake.execute(f"CREATE OR REPLACE TABLE {sys.argv[3]}.t{number} AS SELECT '{sys.argv[3]}' AS home")
"""


def _faults(settings: LakehouseSettings) -> list[Any]:
    with psycopg.connect(settings.catalog_url.get_secret_value()) as connection:
        return connection.execute(_FAULTS).fetchall()


def _misplaced(settings: LakehouseSettings, schemas: list[str]) -> list[str]:
    """Relations that are missing or answer with another schema's content, after opening the lakehouse anew."""
    wrong = []
    with connect(settings, read_only=True) as lake:
        for schema in schemas:
            for number in range(6):
                for kind in ("v", "t"):
                    name = f"{schema}.{kind}{number}"
                    if lake.execute(f"SELECT home FROM {name}").fetchall() != [(schema,)]:
                        wrong.append(name)
    return wrong


@pytest.mark.slow
def test_processes_that_write_at_the_same_time_keep_the_catalog_sound(settings: LakehouseSettings) -> None:
    connect(settings).close()
    schemas = ["staging", "snapshots", "marts"]
    arguments = [sys.executable, "-c", _WRITER, settings.catalog_url.get_secret_value(), settings.data_path]
    writers = [subprocess.Popen([*arguments, schema], stderr=subprocess.PIPE, text=True) for schema in schemas]
    said = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], said
    assert _faults(settings) == []
    assert _misplaced(settings, schemas) == []


def test_each_call_of_connect_is_an_instance_of_its_own(settings: LakehouseSettings) -> None:
    with connect(settings) as one, connect(settings) as other:
        one.execute("SET threads = 1")
        assert other.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'lake'").fetchone() == (1,)
        one.execute("DETACH DATABASE IF EXISTS unknown; USE memory; DETACH lake")
        assert other.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'lake'").fetchone() == (1,)


def test_threads_with_a_connection_each_keep_the_catalog_sound(settings: LakehouseSettings) -> None:
    def write(schema: str) -> None:
        with connect(settings) as lake:
            lake.execute(f"CREATE SCHEMA {schema}")
            for number in range(6):
                lake.execute(f"CREATE VIEW {schema}.v{number} AS SELECT '{schema}' AS home")
                lake.execute(f"CREATE TABLE {schema}.t{number} AS SELECT '{schema}' AS home")

    connect(settings).close()
    schemas = ["a", "b", "c"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, schemas))
    assert _faults(settings) == []
    assert _misplaced(settings, schemas) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("UPDATE ducklake_view SET schema_id = 999", "in no schema"),
        ("UPDATE ducklake_view SET schema_id = (SELECT max(schema_id) FROM ducklake_schema)", None),
        ("INSERT INTO ducklake_table SELECT * FROM ducklake_table", "name twice"),
        ("UPDATE ducklake_view SET view_id = (SELECT max(table_id) FROM ducklake_table)", "id twice"),
    ],
)
def test_the_check_would_catch_the_corruption(settings: LakehouseSettings, damage: str, fault: str | None) -> None:
    with connect(settings) as lake:
        for schema in ("first", "second"):
            lake.execute(f"CREATE SCHEMA {schema}")
        for number in range(6):
            lake.execute(f"CREATE VIEW first.v{number} AS SELECT 'first' AS home")
            lake.execute(f"CREATE TABLE first.t{number} AS SELECT 'first' AS home")
    with psycopg.connect(settings.catalog_url.get_secret_value()) as connection:
        for constraint in ("ducklake_table", "ducklake_view"):
            connection.execute(f"ALTER TABLE {constraint} DROP CONSTRAINT IF EXISTS {constraint}_pkey")
        connection.execute(damage)
    if fault:
        assert fault in {row[0] for row in _faults(settings)}
    else:
        with pytest.raises(Exception, match="v0"):
            _misplaced(settings, ["first"])


def test_dbt_writes_through_one_thread() -> None:
    assert dbt_profile()["threads"] == 1


def test_the_dbt_profile_holds_no_secret_and_no_path(settings: LakehouseSettings) -> None:
    text = str(dbt_profile(schema="marts"))
    assert settings.catalog.password not in text
    assert settings.data_path not in text
    assert "'schema': 'marts'" in text
