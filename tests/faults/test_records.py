"""What stays of a launch: audit records, remembered sizes; and what a run may ask for: another release."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from datavision.errors import ConfigError, PinError
from datavision.fargate.edge.json_objects import write_json
from datavision.fargate.launching.network import network
from datavision.fargate.launching.release_record import ReleaseRecord, released_image, write_record
from datavision.fargate.outcome.audit import list_runs, read_audits
from datavision.fargate.sizing.memory import recall

Make = Callable[..., Any]
WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


def test_an_audit_record_says_when_how_and_what_ran_and_what_it_cost(airflow: Make, platform: Any) -> None:
    task = airflow(WRITE)
    task.run()
    run_id, bucket = task.job.key.run_id, platform.config.storage.results_bucket
    (record,) = read_audits(platform.cloud, bucket, "local", "pipeline_suscripciones", date(2026, 11, 23), run_id)
    assert (record.outcome, record.exit_code, record.release, record.tag) == ("success", 0, "0.1.0", "0.1.0")
    assert record.digest == record.reported_digest == platform.image.digest
    assert (record.cpu, record.memory, record.why_size, record.capacity) == (256, 512, "as declared", "on-demand")
    assert record.result == {"rows": 7}
    assert record.measured is not None
    assert record.measured["peak_memory_bytes"] > 0
    assert record.launched_at <= (record.started_at or 0) <= (record.stopped_at or 0)
    assert record.cost_usd is not None
    assert record.cost_usd > 0
    assert (date(2026, 11, 23), run_id) in list_runs(platform.cloud, bucket, "local", "pipeline_suscripciones")


def test_a_launch_under_way_has_its_record_already(airflow: Make, platform: Any) -> None:
    from datavision.fargate.attempt.lifecycle import Lifecycle

    task = airflow("sleep 30")
    Lifecycle(task.host()).begin()
    (record,) = [item for item in platform.audits("pipeline_suscripciones") if item.run_id == task.job.key.run_id]
    assert (record.outcome, record.stopped_at) == ("running", None)


def test_objects_that_are_no_audit_records_are_left_out(platform: Any) -> None:
    bucket = platform.config.storage.results_bucket
    write_json(platform.cloud, bucket, "audit/local/otra/2026-11-23/r/t-1-1.json", {"not": "a record"})
    assert read_audits(platform.cloud, bucket, "local", "otra") == []


def test_an_unreadable_memory_of_sizes_counts_as_none(airflow: Make, platform: Any) -> None:
    task, bucket = airflow(WRITE), platform.config.storage.results_bucket
    write_json(platform.cloud, bucket, "sizes/local/pipeline_suscripciones/rota.json", ["broken"])
    key = type(task.job.key)("local", "pipeline_suscripciones", "r", "rota")
    assert recall(platform.cloud, bucket, key).size is None


def test_a_run_may_ask_for_the_images_of_another_release(platform: Any) -> None:
    images = {"ingesta": platform.image}
    record = ReleaseRecord(version="0.0.9", commit="0", released_at="2026-11-01T00:00:00+00:00", images=images)
    write_record(platform.cloud, platform.config, record)
    assert released_image(platform.cloud, platform.config, "0.0.9", "ingesta") == platform.image
    with pytest.raises(PinError, match="has no image for module 'transformacion'"):
        released_image(platform.cloud, platform.config, "0.0.9", "transformacion")
    with pytest.raises(PinError, match=r"There is no release '9\.9\.9' in local"):
        released_image(platform.cloud, platform.config, "9.9.9", "ingesta")


def test_a_network_that_cannot_be_read_says_what_to_set(platform: Any) -> None:
    ecs = platform.config.ecs.model_copy(update={"network_stack": "missing"})
    with pytest.raises(ConfigError, match=r"Deploy infra/ first, or set ecs\.subnets"):
        network(platform.cloud, ecs)


def test_a_configured_network_needs_no_stack(platform: Any) -> None:
    ecs = platform.config.ecs.model_copy(
        update={"network_stack": "missing", "subnets": ("subnet-a", "subnet-b"), "security_groups": ("sg-a",)}
    )
    found = network(platform.cloud, ecs)
    assert [found.subnet(launch) for launch in (1, 2, 3)] == ["subnet-a", "subnet-b", "subnet-a"]
