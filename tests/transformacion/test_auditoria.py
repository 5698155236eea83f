"""The tables of audit records: one row a launch and a change of a pin, added once and completed when it is over."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.audits import audit

from datavision.fargate.outcome.audit import AuditRecord
from fargate_local import FargateLocal

Lake = Any
RUN = "scheduled__2026-11-30T12:00:00+00:00"
DAY = date(2026, 11, 30)


@pytest.fixture
def records(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of audit objects, with the names that they have in S3; and an empty table."""
    monkeypatch.setenv("DATAVISION_AUDIT__PATH", str(tmp_path))
    lake.execute(
        "drop table if exists lake.auditoria.lanzamientos", "drop table if exists lake.auditoria.publicaciones"
    )
    return tmp_path


def write(folder: Path, record: AuditRecord) -> None:
    path = folder / record.object_key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record.model_dump(mode="json"), indent=1))


def launch(task: str, at: float = 1_796_000_000.0, **more: Any) -> AuditRecord:
    return audit("pipeline_suscripciones", RUN, DAY, at, task_id=task, **more)


def test_a_launch_is_added_once_and_completed_when_it_is_over(lake: Lake, records: Path) -> None:
    lake.dbt("build", "--select", "auditoria")
    assert lake.rows("select count(*) from auditoria.lanzamientos") == [(0,)]
    write(records, launch("ingesta", outcome="running"))
    write(records, launch("marts", triggered_by="ana", params={"release": "1.2.0"}, cost_usd=0.25))
    for _ in range(2):
        lake.dbt("build", "--select", "auditoria")
    query = "select tarea, resultado, pedida_por, costo_usd from auditoria.lanzamientos order by tarea"
    assert lake.rows(query) == [("ingesta", "running", None, None), ("marts", "success", "ana", 0.25)]
    write(records, launch("ingesta", outcome="out of memory", exit_code=137))
    write(records, launch("marts", cost_usd=99.0))
    lake.dbt("build", "--select", "auditoria")
    assert lake.rows(query) == [("ingesta", "out of memory", None, None), ("marts", "success", "ana", 0.25)]
    (row,) = lake.rows("select ejecucion, dia, lanzado_en, comando from auditoria.lanzamientos where tarea = 'ingesta'")
    assert row == (RUN, DAY, datetime(2026, 11, 30, 0, 53, 20), '["x"]')


def test_records_are_read_from_s3_by_the_names_that_they_have_there(
    lake: Lake, records: Path, cloud: FargateLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colons and plus signs of run ids included."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATAVISION_AUDIT__PATH", "s3://audit-records")
    s3 = boto3.client("s3", **cloud.client_args)
    s3.create_bucket(Bucket="audit-records")
    for record in (launch("ingesta"), launch("marts")):
        s3.put_object(Bucket="audit-records", Key=record.object_key, Body=record.model_dump_json(indent=1).encode())
    for _ in range(2):
        lake.dbt("build", "--select", "auditoria")
    assert lake.rows("select tarea, objeto from auditoria.lanzamientos order by tarea") == [
        (task, f"s3://audit-records/{launch(task).object_key}") for task in ("ingesta", "marts")
    ]


def test_rows_are_those_of_ingesta_and_of_dbt(lake: Lake, records: Path) -> None:
    write(records, launch("ingesta", result={"rows": 12, "tables": {}}, measured={"peak_memory_bytes": 2**30}))
    write(records, launch("marts", result={"rows": {"marts.a": 3, "marts.b": 4}}))
    write(records, launch("reporte", result={"report": "s3://x"}))
    lake.dbt("build", "--select", "auditoria")
    query = "select tarea, filas, pico_de_memoria_bytes from auditoria.lanzamientos order by tarea"
    assert lake.rows(query) == [("ingesta", 12, 2**30), ("marts", 7, None), ("reporte", None, None)]


def test_a_change_of_a_pin_says_who_what_and_why(lake: Lake, records: Path) -> None:
    path = records / "pins/prod/pipeline_fact_rfm/2026-11-30/0123.json"
    path.parent.mkdir(parents=True)
    content = {
        "env": "prod", "pipeline": "pipeline_fact_rfm", "action": "rollback", "version": "1.2.0", "commit": "a" * 40,
        "pinned_at": "2026-11-30T09:00:00-03:00", "pinned_by": "Ana <ana@x>", "reason": "segmentos vacíos",
        "pin_commit": "0123", "images": {"ingesta": {"digest": "sha256:a"}},
    }  # fmt: skip
    path.write_text(json.dumps(content))
    for _ in range(2):
        lake.dbt("build", "--select", "auditoria")
    query = "select pipeline, accion, version, fijada_en, fijada_por, motivo from auditoria.publicaciones"
    assert lake.rows(query) == [
        ("pipeline_fact_rfm", "rollback", "1.2.0", datetime(2026, 11, 30, 12), "Ana <ana@x>", "segmentos vacíos")
    ]
