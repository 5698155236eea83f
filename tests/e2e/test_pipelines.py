"""The pipelines through Airflow and ECS: the daily one three times (with a day of business between the first two), RFM,
the half-yearly one, and maintenance."""

import json
import time
from datetime import date, datetime
from email import message_from_bytes, policy
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.e2e.conftest import Platform

from datavision.aws import checked_client
from datavision.config import Config
from datavision.fargate.edge.ecs_tasks import StopReason
from datavision.fargate.identity import TaskKey, started_by, tags
from datavision.reap import GRACE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KEYS = {
    "accounts": "account_id",
    "subscriptions": "subscription_id",
    "accounts_subscription": "account_subscription_id",
    "contents": "content_id",
    "content_attributes": "content_id, attribute_name",
    "subscription_payments": "payment_id",
    "premium_features": "feature_id",
    "account_premium_features": "account_feature_id",
}


def counts(platform: Platform) -> dict[str, int]:
    query = " union all ".join(f"select '{table}' as t, count(*) as n from raw_datavision.{table}" for table in KEYS)
    return {row["t"]: row["n"] for row in platform.sql(query)}


def source_counts(platform: Platform) -> dict[str, int]:
    return {table: platform.source(f"select count(*) from {table}")[0][0] for table in KEYS}


@pytest.fixture(scope="module")
def days(platform: Platform) -> dict[str, Any]:
    """Three runs; after each, what the lakehouse held."""
    seen: dict[str, Any] = {}
    for name, before in (("first", None), ("second", ("source", "advance", "--days", "1")), ("third", None)):
        if before:
            assert platform.call(*before).returncode == 0
        outcome = platform.run("pipeline_suscripciones")
        seen[name] = {"outcome": outcome, "raw": counts(platform), "source": source_counts(platform)}
        versions = "select count(*) as n from marts.dim_cuentas_base"
        seen[name]["versions"] = platform.sql(versions)[0]["n"]
    return seen


@pytest.mark.parametrize("run", ["first", "second", "third"])
def test_row_counts_equal_the_source_after_every_run(run: str, days: dict[str, Any]) -> None:
    assert days[run]["raw"] == days[run]["source"]
    assert min(days[run]["raw"].values()) > 0


def test_a_day_of_business_changed_something(days: dict[str, Any]) -> None:
    assert days["second"]["raw"] != days["first"]["raw"]
    assert days["second"]["versions"] > days["first"]["versions"]


def test_a_run_without_change_adds_nothing(days: dict[str, Any]) -> None:
    assert days["third"]["raw"] == days["second"]["raw"]
    assert days["third"]["versions"] == days["second"]["versions"]


@pytest.mark.parametrize("table", KEYS)
def test_no_key_is_there_twice(table: str, days: dict[str, Any], platform: Platform) -> None:
    query = (
        f"select count(*) as n from (select {KEYS[table]} from raw_datavision.{table} group by all having count(*) > 1)"
    )
    assert platform.sql(query) == [{"n": 0}]


def test_each_entity_has_one_current_version_and_no_overlap(days: dict[str, Any], platform: Platform) -> None:
    current = "select count(*) as n from marts.dim_cuentas_base where es_actual"
    assert platform.sql(current)[0]["n"] == days["third"]["source"]["accounts"]
    overlaps = """
        select count(*) as n from marts.dim_cuentas_base a join marts.dim_cuentas_base b
        on a.id_cuenta = b.id_cuenta and a.valido_desde < b.valido_desde and a.valido_hasta >= b.valido_desde
    """
    assert platform.sql(overlaps) == [{"n": 0}]


def test_every_container_ran_the_pinned_image_and_was_measured(days: dict[str, Any], platform: Platform) -> None:
    done = platform.call("pins", "--env", "local", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    tasks = days["third"]["outcome"]["tasks"]
    assert [task["task"] for task in tasks if not task["launches"]] == []
    for task in tasks:
        (launch,) = task["launches"]
        assert launch["digest"] == launch["reported_digest"]
        assert launch["digest"] in done.stdout
        assert task["measured"]["exit_code"] == 0
        assert task["measured"]["peak_memory_bytes"] > 1 << 20


def test_what_ran_for_whom_and_what_it_cost_is_asked_for_by_command(days: dict[str, Any], platform: Platform) -> None:
    tasks = days["third"]["outcome"]["tasks"]
    asked = ("audit", "--env", "local", "--run", days["third"]["outcome"]["run_id"], "--json")
    launches = json.loads(platform.call(*asked).stdout)
    assert [launch["task_arn"] for launch in launches] == [
        launch["task_arn"] for task in sorted(tasks, key=launched) for launch in task["launches"]
    ]
    assert {(launch["run_type"], launch["triggered_by"]) for launch in launches} == {("manual", "admin")}
    sums = json.loads(platform.call("cost", "--env", "local", "--by", "run", "--json").stdout)
    (spent,) = [item for item in sums if item["name"].endswith(days["third"]["outcome"]["run_id"])]
    assert (spent["launches"], spent["failed"], spent["unknown"]) == (len(launches), 0, 0)
    assert spent["cost_usd"] == pytest.approx(sum(launch["cost_usd"] for launch in launches), abs=1e-6)


def launched(task: dict[str, Any]) -> float:
    when: float = task["launches"][0]["launched_at"]
    return when


def test_a_failure_is_told_by_mail_and_so_is_its_end(days: dict[str, Any], platform: Platform) -> None:
    failed = platform.call("run", "pipeline_fact_rfm", "--param", "modelos=no_such_model", "--env", "local", "--json")
    assert failed.returncode == 1, failed.stderr
    (task, _) = json.loads(failed.stdout)[0]["tasks"]
    assert task["log"][-1].startswith("  next step  Fix the parameters of the run")
    platform.run("pipeline_fact_rfm")
    mails = [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted((platform.state / "mail").glob("*.eml"))
    ]
    assert [str(mail["subject"]).partition(" ")[2].partition(" ")[2] for mail in mails] == [
        "pipeline_fact_rfm.fact_rfm rechazó sus parámetros o su configuración",
        "pipeline_fact_rfm.fact_rfm volvió a funcionar",
    ]
    body = mails[0].get_body(("plain",))
    assert body is not None
    assert "'no_such_model' does not match any enabled nodes" in body.get_content()


def test_the_report_is_one_html_file_that_opens_offline(days: dict[str, Any], platform: Platform) -> None:
    reports = sorted((platform.state / "reports").rglob("*.html"))
    assert reports
    html = reports[-1].read_text()
    assert "<html" in html
    assert 'src="http' not in html


def test_fact_rfm_of_a_date_is_there_once_after_it_ran_twice(days: dict[str, Any], platform: Platform) -> None:
    today = platform.source("select max(created_at)::date from accounts")[0][0]
    assert isinstance(today, date)
    for _ in range(2):
        platform.run("pipeline_fact_rfm", "--param", f"fecha_rfm={today}")
    columns = "count(*) as n, count(distinct id_dim_cuenta) as d, count(distinct segmento_rfm) as s"
    (row,) = platform.sql(f"select {columns} from marts.fact_rfm where id_dim_fecha_rfm = date '{today}'")
    assert row["n"] == row["d"] > 0
    assert row["s"] >= 5


def test_the_rehearsal_of_the_half_yearly_pipeline_succeeds_and_moves_nothing(platform: Platform) -> None:
    def written() -> set[str]:
        folders = (platform.state / name for name in ("landing", "lakehouse", "reports"))
        return {str(path) for folder in folders for path in folder.rglob("*")}

    with platform.nothing_by_the_clock():
        before = written()
        outcome = platform.run("ensayo_completo")
        after = written()
    assert {task["task"] for task in outcome["tasks"]} == {"ingesta", "transformacion", "seleccion_rfm"}
    assert all(task["state"] == "success" for task in outcome["tasks"])
    assert after == before


def test_the_audit_is_in_the_lakehouse_a_row_for_each_launch_and_each_release(
    days: dict[str, Any], platform: Platform
) -> None:
    outcomes = [platform.run("mantenimiento_auditoria") for _ in range(2)]
    launches = json.loads(platform.call("audit", "--env", "local", "--json").stdout)
    rows = platform.sql("select tarea_de_ecs, resultado from auditoria.lanzamientos")
    assert {row["tarea_de_ecs"] for row in rows} == {launch["task_arn"] for launch in launches}
    assert len(rows) == len(launches)
    (first,) = outcomes[0]["tasks"][0]["launches"]
    assert {"tarea_de_ecs": first["task_arn"], "resultado": "success"} in rows, "its own record, completed by the next"
    released = platform.sql("select pipeline, accion, fijada_por from auditoria.publicaciones")
    assert {row["pipeline"] for row in released} >= {"pipeline_suscripciones", "pipeline_fact_rfm"}
    assert all(row["accion"] == "release" and row["fijada_por"] for row in released)


def test_the_half_yearly_pipeline_runs_the_daily_one_and_then_rfm_for_its_own_day(
    abandoned: str, platform: Platform
) -> None:
    today = datetime.now(ZoneInfo("America/Argentina/Buenos_Aires")).date()
    outcome = platform.run("pipeline_completo")
    assert [(task["task"], task["state"]) for task in outcome["tasks"]] == [
        ("pipeline_suscripciones", "success"),
        ("pipeline_fact_rfm", "success"),
    ]
    days = platform.sql("select distinct id_dim_fecha_rfm as day from marts.fact_rfm")
    assert today.isoformat() in {row["day"] for row in days}


def test_maintenance_stops_a_container_that_nobody_waits_for(abandoned: str, platform: Platform) -> None:
    age = time.time() - described(platform, abandoned)["createdAt"].timestamp()
    time.sleep(max(GRACE_SECONDS + 1 - age, 0))
    platform.run("mantenimiento_contenedores")
    task = described(platform, abandoned)
    assert task["desiredStatus"] == "STOPPED"
    assert task["stoppedReason"] == StopReason.REAPED


def test_the_reap_command_leaves_the_young_alone_and_says_what_the_others_cost(platform: Platform) -> None:
    arn = abandon(platform)
    assert json.loads(platform.call("reap", "--json").stdout) == []
    done = platform.call("reap", "--grace", "0", "--json")
    assert done.returncode == 0, done.stderr
    (reaped,) = json.loads(done.stdout)
    assert (reaped["arn"], reaped["why"]) == (arn, "its task is deleted")
    assert reaped["cost_usd"] > 0
    assert described(platform, arn)["stoppedReason"] == StopReason.REAPED


def abandon(platform: Platform) -> str:
    """Launch a container in the name of a task instance that does not exist, and return its ARN."""
    config = platform.config
    key = TaskKey("local", "pipeline_suscripciones", "manual__never", "ingesta")
    answer = checked_client(config, "ecs").run_task(
        cluster=config.ecs.cluster,
        taskDefinition=config.task_family("ingesta"),
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [_subnet(config)]}},
        overrides={"containerOverrides": [{"name": "ingesta", "command": ["sleep", "900"]}]},
        startedBy=started_by("local"),
        tags=tags(key, 1, 1, "0.1.0", "0" * 64),
    )
    return str(answer["tasks"][0]["taskArn"])


def _subnet(config: Config) -> str:
    return str(checked_client(config, "ec2").describe_subnets()["Subnets"][0]["SubnetId"])


def described(platform: Platform, arn: str) -> dict[str, Any]:
    config = platform.config
    answer = checked_client(config, "ecs").describe_tasks(cluster=config.ecs.cluster, tasks=[arn])
    task: dict[str, Any] = answer["tasks"][0]
    return task


@pytest.fixture(scope="module")
def abandoned(platform: Platform) -> str:
    """A container that has been left behind for a while when it is looked for."""
    return abandon(platform)
