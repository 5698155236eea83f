"""What stays of a launch: audit records, remembered sizes; and what a run may ask for: another release."""

import csv
import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from functools import partial
from io import StringIO
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from datavision.aws import client
from datavision.cli.app import app
from datavision.errors import ConfigError, PinError
from datavision.fargate.edge.json_objects import write_json
from datavision.fargate.launching.network import network
from datavision.fargate.launching.release_record import ReleaseRecord, released_image, write_record
from datavision.fargate.outcome.audit import list_runs, read_audits
from datavision.fargate.outcome.errors import FargateError
from datavision.fargate.sizing.memory import recall

Make = Callable[..., Any]
WRITE = "python -c \"from datavision_runtime import write_result; write_result({'rows': 7})\""


def test_an_audit_record_says_when_how_and_what_ran_and_what_it_cost(airflow: Make, platform: Any) -> None:
    task = airflow(WRITE)
    task.run()
    run_id, bucket = task.job.key.run_id, platform.config.storage.audit_bucket
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
    assert record.peak_mib == round(record.measured["peak_memory_bytes"] / 2**20)
    assert (record.run_type, record.triggered_by, record.params) == ("manual", "ana", {"fecha_rfm": "2026-06-30"})
    assert (date(2026, 11, 23), run_id) in list_runs(platform.cloud, bucket, "local", "pipeline_suscripciones")


def command(platform: Any, patch: pytest.MonkeyPatch, *words: str) -> Result:
    """What `datavision` prints for a command of this environment."""
    patch.setattr("datavision.cli.audit.environment", lambda _: nullcontext(platform.config))
    return CliRunner().invoke(app, [*words, "--env", "local", "--since", "2026-11-23", "--until", "2026-11-23"])


def test_the_audit_and_the_cost_of_a_run_are_asked_for_by_command(
    airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = airflow(WRITE), airflow("exit 3")
    good.run()
    with pytest.raises(FargateError):
        bad.run()
    ask = partial(command, platform, monkeypatch)
    run_id = good.job.key.run_id
    (launch,) = json.loads(ask("audit", "pipeline_suscripciones", "--run", run_id, "--json").stdout)
    assert (launch["triggered_by"], launch["outcome"], launch["result"]) == ("ana", "success", {"rows": 7})
    (row,) = csv.DictReader(StringIO(ask("audit", "--run", run_id, "--csv").stdout))
    assert (row["task_arn"], row["rows"], row["params"]) == (launch["task_arn"], "", '{"fecha_rfm": "2026-06-30"}')
    assert float(row["cost_usd"]) == launch["cost_usd"]
    runs = [item["run_id"] for item in json.loads(ask("audit", "--outcome", "data quality gate", "--json").stdout)]
    assert bad.job.key.run_id in runs
    assert run_id not in runs

    sums = {item["name"]: item for item in json.loads(ask("cost", "--by", "run", "--json").stdout)}
    spent_on = sums[f"pipeline_suscripciones {run_id}"]
    assert (spent_on["launches"], spent_on["failed"], spent_on["cost_usd"]) == (1, 0, round(launch["cost_usd"], 6))
    assert sums[f"pipeline_suscripciones {bad.job.key.run_id}"]["wasted_usd"] > 0
    whole = csv.DictReader(StringIO(ask("cost", "--by", "month", "--csv").stdout))
    assert [item["name"] for item in whole] == ["2026-11"]


def test_a_container_without_a_record_is_found(airflow: Make, platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task = airflow(WRITE)
    task.run()
    (record,) = task.audits()
    ask = partial(command, platform, monkeypatch)
    assert f"{record.task_arn} has no record" not in ask("audit", "--check").output
    client(platform.cloud, "s3").delete_object(Bucket=platform.config.storage.audit_bucket, Key=record.object_key)
    checked = ask("audit", "--check")
    assert checked.exit_code == 1
    assert f"{record.task_arn} has no record" in " ".join(checked.output.split())


def test_what_cannot_be_asked_for_is_refused_with_what_can(platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datavision.cli.audit.environment", lambda _: nullcontext(platform.config))
    for words, sentence in (
        (("cost", "--since", "2026-02-01", "--until", "2026-01-31"), "--since 2026-02-01 is after --until 2026-01-31"),
        (("audit", "--outcome", "oom"), "No launch ends as 'oom'. Ask for one of: running, idle, success, "),
    ):
        assert sentence in str(CliRunner().invoke(app, [*words, "--env", "local"]).exception)


def test_a_launch_under_way_has_its_record_already(airflow: Make, platform: Any) -> None:
    from datavision.fargate.attempt.lifecycle import Lifecycle

    task = airflow("sleep 30")
    Lifecycle(task.host()).begin()
    (record,) = [item for item in platform.audits("pipeline_suscripciones") if item.run_id == task.job.key.run_id]
    assert (record.outcome, record.stopped_at) == ("running", None)


def test_objects_that_are_no_audit_records_are_left_out(platform: Any) -> None:
    bucket = platform.config.storage.audit_bucket
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
