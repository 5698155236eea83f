"""Steps whose data do not fit into the memory that DuckDB may use spill, and do not die."""

import pytest
from tests.transformacion.conftest import Lake

ROWS = 250_000
CONTENTS = f"""
    create or replace table raw_datavision.contents as
    select
        n as content_id, n % 1000 as account_id, 'Contenido ' || n as title,
        'Descripción de un contenido del autor que se llama ' || n as description, 'Quiz' as content_type,
        timestamp '2025-01-01' as created_at, timestamp '2025-01-01' as updated_at,
        now() as _cargado_en, 'prueba' as _id_carga
    from range({ROWS}) as t(n)
"""
SELECTED = ("build", "--select", "stg_contents", "snp_contenidos", "--exclude-resource-type", "test", "unit_test")


@pytest.mark.slow
def test_a_snapshot_of_more_rows_than_fit_into_memory_spills(
    lake: Lake, random_business: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.load(random_business(5, 10))  # type: ignore[operator]  # a fixture that is a function
    lake.execute(CONTENTS)
    lake.dbt(*SELECTED)
    monkeypatch.setenv("DATAVISION_LAKEHOUSE__MEMORY_LIMIT", "200MB")
    monkeypatch.setenv("DATAVISION_LAKEHOUSE__THREADS", "2")
    versions = "select count(*), count(dbt_valid_to), count(distinct dbt_scd_id) from snapshots.snp_contenidos"

    lake.dbt(*SELECTED)
    assert lake.rows(versions) == [(ROWS, 0, ROWS)]

    lake.execute("update raw_datavision.contents set title = title || '.'")
    lake.dbt(*SELECTED)
    assert lake.rows(versions) == [(2 * ROWS, ROWS, 2 * ROWS)]
