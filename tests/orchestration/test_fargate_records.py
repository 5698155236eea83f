"""What is kept of a launch in the results bucket, and read back: audit records and results."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.support.audits import audit
from tests.support.cloud_in_process import cloud_in_process

from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.identity import TaskKey
from datavision.fargate.outcome.audit import list_runs, newest_day, read_audits, read_days, write_audit
from datavision.fargate.outcome.results import MAX_RESULT_BYTES, BadDelivery, Delivery, fetch

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
MEASURED = {
    "exit_code": 0,
    "wall_seconds": 1.5,
    "cpu_seconds": 1.0,
    "peak_memory_bytes": 2,
    "bytes_written": 3,
    "started_at": "2026-11-23T10:00:00Z",
    "finished_at": "2026-11-23T10:00:01Z",
}


@pytest.fixture(scope="module")
def config(repository: Path) -> Iterator[Config]:
    with cloud_in_process(repository) as found:
        yield found


def put(config: Config, key: str, body: bytes) -> None:
    storage = config.storage
    bucket = storage.audit_bucket if key.startswith("audit/") else storage.results_bucket
    client(Cloud.of(config), "s3").put_object(Bucket=bucket, Key=key, Body=body)


def test_audit_records_are_found_by_pipeline_day_and_run_in_order_of_launch(config: Config) -> None:
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    late, early = audit("p", "a", MONDAY, 20.0, launch=1), audit("p", "a", MONDAY, 10.0, launch=2)
    other, next_day = audit("p", "b", MONDAY, 30.0), audit("p", "c", TUESDAY, 5.0)
    for record in (late, early, other, next_day, audit("q", "a", MONDAY, 1.0)):
        write_audit(cloud, bucket, record)
    assert read_audits(cloud, bucket, "dev", "p") == [next_day, early, late, other]
    assert read_audits(cloud, bucket, "dev", "p", on=MONDAY) == [early, late, other]
    assert read_audits(cloud, bucket, "dev", "p", run_id="a") == [early, late]
    assert list_runs(cloud, bucket, "dev", "p") == [(MONDAY, "a"), (MONDAY, "b"), (TUESDAY, "c")]
    assert list_runs(cloud, bucket, "dev", "p", on=TUESDAY) == [(TUESDAY, "c")]
    assert newest_day(cloud, bucket, "dev", "p") == TUESDAY
    assert newest_day(cloud, bucket, "dev", "q") == MONDAY
    assert newest_day(cloud, bucket, "dev", "never") is None
    assert read_days(cloud, bucket, "dev", MONDAY, MONDAY, "p") == [early, late, other]
    assert read_days(cloud, bucket, "dev", TUESDAY, date(2027, 1, 1)) == [next_day]
    assert read_days(cloud, bucket, "dev", MONDAY, MONDAY, "p", "ingesta") == [early, late, other]
    assert read_days(cloud, bucket, "dev", MONDAY, MONDAY, "p", "ingest") == []
    assert [record.pipeline for record in read_days(cloud, bucket, "dev", MONDAY, TUESDAY)] == ["q", "p", "p", "p", "p"]


def test_objects_that_are_no_audit_records_are_passed_over(config: Config) -> None:
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    record = audit("noise", "run", MONDAY, 10.0)
    write_audit(cloud, bucket, record)
    put(config, "audit/dev/noise/2026-11-23/run/a.json", b'{"env": "dev"}')
    put(config, "audit/dev/noise/2026-11-23/run/b.json", b"no JSON")
    put(config, "audit/dev/noise/2026-11-23/run/c/d.json", b"{}")
    put(config, "audit/dev/noise/e.json", b"{}")
    assert read_audits(cloud, bucket, "dev", "noise") == [record]
    assert read_days(cloud, bucket, "dev", MONDAY, MONDAY, "noise") == [record]
    assert list_runs(cloud, bucket, "dev", "noise") == [(MONDAY, "run")]


def test_an_audit_record_of_at_most_256_kib_is_read(config: Config) -> None:
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    record = audit("long", "run", MONDAY, 10.0)
    for size, found in ((256 * 1024, [record]), (256 * 1024 + 1, [])):
        put(config, record.object_key, record.model_dump_json().encode().ljust(size))
        assert read_audits(cloud, bucket, "dev", "long") == found


def test_an_audit_record_names_its_task_and_where_it_lies() -> None:
    record = audit("p", "run", MONDAY, 10.0, map_index=2, try_number=3, launch=4)
    assert record.key == TaskKey("dev", "p", "run", "ingesta", 2)
    assert record.object_key == "audit/dev/p/2026-11-23/run/ingesta-2-3-4.json"


def test_a_result_becomes_the_xcom_value_with_what_was_measured(config: Config) -> None:
    put(config, "r/whole", json.dumps({**MEASURED, "result": {"rows": 3}}).encode())
    put(config, "r/none", json.dumps(MEASURED).encode())
    whole, none = (fetch(Cloud.of(config), config.storage.results_bucket, f"r/{name}") for name in ("whole", "none"))
    assert isinstance(whole, Delivery)
    assert isinstance(none, Delivery)
    assert whole.xcom() == {"rows": 3, "measured": MEASURED}
    assert none.xcom() == {"measured": MEASURED}


def test_nothing_delivered_is_told_from_a_bad_delivery(config: Config) -> None:
    bucket = config.storage.results_bucket
    put(config, "r/field", json.dumps({**MEASURED, "exit_code": "x", "wall_seconds": "y"}).encode())
    put(config, "r/list", b"[]")
    put(config, "r/text", b"no JSON")
    field, array, text, missing = (
        fetch(Cloud.of(config), bucket, f"r/{name}") for name in ("field", "list", "text", "missing")
    )
    assert missing is None
    assert isinstance(field, BadDelivery)
    assert field.problem.startswith(f"s3://{bucket}/r/field: exit_code: Input should be a valid integer")
    assert isinstance(array, BadDelivery)
    assert array.problem.startswith(f"s3://{bucket}/r/list: the object: Input should be")
    assert isinstance(text, BadDelivery)
    assert "is not JSON" in text.problem


def test_a_result_may_be_48_kib_and_what_was_measured_4_more(config: Config) -> None:
    body = json.dumps(MEASURED).encode()
    most = MAX_RESULT_BYTES + 4 * 1024
    assert most == 52 * 1024
    for size, kind in ((most, Delivery), (most + 1, BadDelivery)):
        put(config, "r/long", body.ljust(size))
        assert isinstance(fetch(Cloud.of(config), config.storage.results_bucket, "r/long"), kind)
