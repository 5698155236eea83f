"""Every failure says what happened and what to do, and decides on Airflow's retries."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from tests.support.cloud_in_process import cloud_in_process

from datavision.config import Price, load
from datavision.environment import Environment
from datavision.errors import ConfigError
from datavision.fargate.attempt.accounting import failed_checks
from datavision.fargate.attempt.job import Job
from datavision.fargate.edge.logs import LogStream
from datavision.fargate.identity import TaskKey
from datavision.fargate.operator.assets import rows_of
from datavision.fargate.operator.links import console_links, ecs_task_url, log_stream_url
from datavision.fargate.operator.retry_policy import FailureTablePolicy
from datavision.fargate.outcome import errors
from datavision.fargate.outcome.classify import Ending, Outcome
from datavision.fargate.outcome.cost import ON_DEMAND, cost_usd, price_in
from datavision.fargate.outcome.errors import FargateError
from datavision.fargate.outcome.explain import explain
from datavision.fargate.outcome.results import Delivery
from datavision.fargate.sizing.sizes import FargateSize
from datavision.pins import PinnedImage

FAILURES = [outcome for outcome in Outcome if outcome is not Outcome.SUCCESS]


def explained(outcome: Outcome, *, last_try: bool = False, **more: Any) -> FargateError:
    return explain(
        Ending(outcome, "EssentialContainerExited", "Essential container in task exited", 1),
        task="pipeline_suscripciones.ingesta",
        env="dev",
        image="datavision/ingesta:1.2.0 (sha256:ab, release 1.2.0)",
        size="512 CPU units, 1024 MiB",
        task_arn="arn:aws:ecs:us-east-1:123456789012:task/c/1",
        last_try=last_try,
        **more,
    )


@pytest.mark.parametrize("outcome", FAILURES)
def test_every_failure_names_task_class_stop_code_exit_code_image_and_next_step(outcome: Outcome) -> None:
    text = str(explained(outcome, log_lines=("the last words",)))
    for part in (
        "pipeline_suscripciones.ingesta",
        outcome.value,
        "EssentialContainerExited",
        "exit code  1",
        "datavision/ingesta:1.2.0 (sha256:ab",
        "arn:aws:ecs",
        "| the last words",
        "next step",
    ):
        assert part in text


def test_a_failure_shows_at_most_twenty_log_lines() -> None:
    text = str(explained(Outcome.BUSINESS, log_lines=tuple(f"line {n}" for n in range(50))))
    assert "line 30" in text
    assert "line 29" not in text


def test_what_is_not_known_stays_out_of_the_text() -> None:
    assert "stop code" not in str(FargateError(errors.Report("It failed.", "Do this.")))


def test_a_quality_failure_names_the_failing_checks() -> None:
    text = str(explained(Outcome.QUALITY, checks=(errors.FailedCheck("accounts: duplicate_keys", rows=3),)))
    assert "failed     accounts: duplicate_keys: 3 rows" in text


AT_ONCE = {Outcome.PERMANENT_START, Outcome.DIGEST, Outcome.USAGE, Outcome.QUALITY}


@pytest.mark.parametrize("outcome", FAILURES)
def test_the_retry_policy_follows_the_failure_table(outcome: Outcome) -> None:
    decision = FailureTablePolicy().evaluate(explained(outcome), 1, 3)
    if outcome in AT_ONCE:
        assert decision.action is RetryAction.FAIL
    elif outcome is Outcome.MEMORY:
        assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=1))
    else:
        assert decision.action is RetryAction.DEFAULT


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("try_number", [1, 2, 4])
def test_the_next_step_promises_a_retry_when_and_only_when_one_follows(outcome: Outcome, try_number: int) -> None:
    job = a_job(try_number=try_number, max_tries=3)
    follows = outcome not in AT_ONCE and try_number < 4
    step = explained(outcome, last_try=job.last_try).report.next_step
    assert ("Airflow retries it" in step) == follows
    assert ("last try" in step) == (outcome not in AT_ONCE and try_number == 4)
    assert follows or "clear" in step


def test_a_cleared_task_has_its_tries_again() -> None:
    assert not a_job(try_number=5, max_tries=7).last_try
    assert a_job(try_number=8, max_tries=7).last_try


def test_a_task_without_retries_is_at_its_last_try_at_once() -> None:
    assert a_job(try_number=1, max_tries=0).last_try


def a_job(*, try_number: int, max_tries: int) -> Job:
    digest = "sha256:" + "a" * 64
    return Job(
        key=TaskKey("local", "pipeline_suscripciones", "run", "ingesta"),
        try_number=try_number,
        generation=max_tries,
        run_date=date(2026, 11, 23),
        module="ingesta",
        image=PinnedImage(repository="datavision/ingesta", tag="1", digest=digest, task_definition="ingesta:1"),
        release="1",
        command=lambda: ("true",),
        environment={},
        declared=FargateSize(512, 1024),
        max_memory=2048,
        capacity="on-demand",
    )


def test_out_of_memory_at_the_ceiling_fails_at_once() -> None:
    error = explained(Outcome.MEMORY, at_ceiling=True)
    assert isinstance(error, errors.MemoryCeilingError)
    assert FailureTablePolicy().evaluate(error, 1, 3).action is RetryAction.FAIL


def test_a_mistake_in_the_configuration_is_never_retried() -> None:
    assert FailureTablePolicy().evaluate(ConfigError("no such size"), 1, 3).action is RetryAction.FAIL


def test_an_error_of_the_machinery_is_left_to_airflows_retries() -> None:
    assert FailureTablePolicy().evaluate(ConnectionError("reset"), 1, 3).action is RetryAction.DEFAULT


def test_the_reason_of_a_decision_is_the_first_line() -> None:
    reason = FailureTablePolicy().evaluate(explained(Outcome.USAGE), 1, 3).reason
    assert reason == "pipeline_suscripciones.ingesta rejected its command line or configuration."


def test_every_error_of_the_tree_is_drawn_in_its_docstring() -> None:
    drawn = errors.__doc__ or ""
    defined = [name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")]
    assert [name for name in defined if name not in drawn] == []


def delivered(result: dict[str, Any]) -> Delivery:
    moment = "2026-11-23T10:00:00+00:00"
    measured = {"exit_code": 3, "wall_seconds": 1, "cpu_seconds": 1, "peak_memory_bytes": 1, "bytes_written": 0}
    return Delivery.model_validate({**measured, "started_at": moment, "finished_at": moment, "result": result})


def test_failing_checks_are_read_from_the_ingestions_gate_and_from_dbt() -> None:
    found = {"table": "contents", "check": "orphans", "detail": "2 rows", "outcome": "error", "sample": ["4", "9"]}
    gate = {"quality": [found]}
    passed = {"quality": [{"table": "contents", "check": "orphans", "detail": "", "outcome": "warning"}]}
    assert [check.text() for check in failed_checks(delivered(gate))] == ["contents: orphans: 2 rows, for example 4; 9"]
    assert failed_checks(delivered(passed)) == ()
    (check,) = failed_checks(delivered({"tests_failed": [{"name": "unique_x", "rows": 1, "sample": ["7"]}]}))
    assert check.text() == "unique_x: 1 row, for example 7"
    assert check.text("filas", "fila", "por ejemplo") == "unique_x: 1 fila, por ejemplo 7"
    assert failed_checks(None) == ()


def test_rows_of_an_asset_are_found_in_each_shape_of_result() -> None:
    assert rows_of("marts.dim_cuentas", {"rows": {"marts.dim_cuentas": 7}}) == 7
    assert rows_of("marts.dim_cuentas", {"rows": {"dim_cuentas": 7}}) == 7
    assert rows_of("raw_datavision.accounts", {"rows": 99, "tables": {"accounts": {"total": 5}}}) == 5
    assert rows_of("reporte", {"rows": 3}) == 3
    assert rows_of("marts.dim_cuentas", {}) is None


def test_cost_follows_the_published_prices() -> None:
    x86, arm = ON_DEMAND["us-east-1", "X86_64"], ON_DEMAND["us-east-1", "ARM64"]
    assert cost_usd(FargateSize(1024, 2048), 3600, x86, spot=False) == pytest.approx(0.04937)
    assert cost_usd(FargateSize(1024, 2048), 3600, x86, spot=True) == pytest.approx(0.014811)
    assert cost_usd(FargateSize(1024, 2048), 3600, arm, spot=False) == pytest.approx(0.0395)


def test_a_short_task_costs_its_first_minute() -> None:
    size, price = FargateSize(256, 512), ON_DEMAND["us-east-1", "ARM64"]
    assert cost_usd(size, 1, price, spot=False) == cost_usd(size, 60, price, spot=False)


def test_less_than_a_minute_is_charged_as_sixty_seconds_and_more_as_it_is() -> None:
    size, price = FargateSize(4096, 8192), Price(cpu_hour=36, gb_hour=3.6)
    seconds = {
        asked: cost_usd(size, asked, price, spot=False) / cost_usd(size, 600, price, spot=False) * 600
        for asked in (0, 59, 60, 61)
    }
    assert seconds == pytest.approx({0: 60, 59: 60, 60: 60, 61: 61})


def test_cost_is_told_to_a_millionth_of_a_dollar() -> None:
    assert cost_usd(FargateSize(256, 512), 61, ON_DEMAND["us-east-1", "X86_64"], spot=False) == 0.000209


def test_the_configured_price_comes_before_the_table_and_a_region_in_neither_is_refused(repository: Path) -> None:
    with cloud_in_process(repository) as config:
        own = Price(cpu_hour=1, gb_hour=2)
        table = config.ecs.model_copy(update={"price": None, "cpu_architecture": "ARM64"})
        assert price_in("us-east-1", table) == ON_DEMAND["us-east-1", "ARM64"]
        assert price_in("us-east-1", table.model_copy(update={"price": own})) == own
        with pytest.raises(
            ConfigError, match=r"no Fargate price for ARM64 in mars-1 .known: us-east-1.. Set .ecs.price"
        ):
            price_in("mars-1", table)


def test_there_are_links_to_the_console_where_there_is_one(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
    config, stream = load("dev"), LogStream("/datavision/dev", "ingesta/ingesta/0123")
    arn = "arn:aws:ecs:us-east-1:123456789012:task/datavision-dev/0123"
    links = console_links(config, stream, arn)
    assert links == {
        "_link_log_stream": log_stream_url(config.aws.region, stream.group, stream.name),
        "_link_ecs_task": ecs_task_url(config.aws.region, config.ecs.cluster, arn),
    }
    assert console_links(Environment(config).at("http://127.0.0.1:9"), stream, arn) == {}


def test_links_lead_to_the_consoles_pages() -> None:
    arn = "arn:aws:ecs:us-east-1:123456789012:task/datavision-dev/0123"
    assert ecs_task_url("us-east-1", "datavision-dev", arn) == (
        "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/datavision-dev/tasks/0123/configuration"
        "?region=us-east-1"
    )
    assert log_stream_url("us-east-1", "/datavision/dev", "ingesta/ingesta/0123").endswith(
        "log-group/$252Fdatavision$252Fdev/log-events/ingesta$252Fingesta$252F0123"
    )
