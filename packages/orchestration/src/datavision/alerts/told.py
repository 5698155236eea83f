"""Gathers what is known of a failure, and tells it once: by run and cause, until the task is well again."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from datavision import config as configuration
from datavision.alerts.channels import send
from datavision.alerts.incidents import Incident, open_incident, write_incident
from datavision.alerts.message import Before, Failure, Message, failure_message, late_message, recovery_message
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import AuditRecord, read_days
from datavision.fargate.outcome.classify import Outcome
from datavision.fargate.outcome.errors import FargateError, Report

log = logging.getLogger(__name__)

_DAYS = 14
_AGAIN_AFTER = timedelta(hours=12)
_ENDED = "Essential container in task exited"
T = TypeVar("T")


def failed(context: Mapping[str, Any]) -> None:
    """Tell of a failed task, unless the same was told of this run; raises nothing."""
    config, cloud, found = _about(context)
    error = context.get("exception")
    report = error.report if isinstance(error, FargateError) else None
    incident = found.model_copy(update={"cause": report.failure_class if report else ""})
    known = _tried(lambda: open_incident(cloud, config.storage.results_bucket, config.env, incident), None)
    if known and known.cause == incident.cause and (known.run_id == incident.run_id or _lately(known, incident)):
        log.info("Told already at %s: %s", known.told.isoformat(), known.name)
        return
    incident = incident.model_copy(update={"since": known.since if known else incident.since})
    nothing: list[AuditRecord] = []
    records = _tried(lambda: _records(cloud, config, incident), nothing)
    own = [record for record in records if record.run_id == incident.run_id]
    failure = Failure(
        env=config.env,
        incident=incident,
        tries=context["ti"].try_number,
        base_url=base_url(),
        release=own[-1].release if own else None,
        reason=_reason(report, error),
        checks=report.checks if report else (),
        log_lines=report.log_lines if report else (),
        before=_before(records, incident.run_id),
    )
    tell(config, failure_message(failure))
    _tried(lambda: write_incident(cloud, config.storage.results_bucket, config.env, incident), None)


def recovered(context: Mapping[str, Any]) -> None:
    """Tell of a task that is well again, if its failure was told; raises nothing."""
    config, cloud, about = _about(context)
    bucket = config.storage.results_bucket
    known = _tried(lambda: open_incident(cloud, bucket, config.env, about), None)
    if known is None:
        return
    tell(config, recovery_message(config.env, known, about.run_id, about.since, base_url()))
    _tried(lambda: write_incident(cloud, bucket, config.env, known.model_copy(update={"over": True})), None)


def late(context: Mapping[str, Any], at: str) -> None:
    """Tell of a run that is late; raises nothing."""
    config = configuration.load()
    tell(config, late_message(config.env, context["dag_run"], at, base_url()))


def connection_of_airflow(config: Config) -> dict[str, Any]:
    """Return the mail server in Airflow's connection, from inside Airflow."""
    from airflow.sdk import Connection

    found = Connection.get(config.alerts.smtp_conn_id)
    names = ("host", "port", "login", "password")
    return {**{name: getattr(found, name) for name in names}, "extra": found.extra_dejson}


def _about(context: Mapping[str, Any]) -> tuple[Config, Cloud, Incident]:
    config, instance = configuration.load(), context["ti"]
    now = datetime.now(UTC)
    incident = Incident(
        pipeline=instance.dag_id,
        task_id=instance.task_id,
        map_index=instance.map_index if instance.map_index is not None else -1,
        run_id=context["run_id"],
        cause="",
        since=now,
        told=now,
    )
    return config, Cloud.of(config), incident


def _lately(known: Incident, incident: Incident) -> bool:
    """Return whether the same was told of another run not long ago: what runs every quarter of an hour, say."""
    return incident.told - known.told < _AGAIN_AFTER


def _records(cloud: Cloud, config: Config, incident: Incident) -> list[AuditRecord]:
    """Return the task's launches of the last two weeks, in order."""
    today = day_of(datetime.now(UTC))
    bucket = config.storage.audit_bucket
    first, stem = today - timedelta(days=_DAYS), incident.task(config.env).file_stem
    return read_days(cloud, bucket, config.env, first, today, incident.pipeline, stem)


def _before(records: list[AuditRecord], run_id: str) -> Before | None:
    good = [item for item in records if item.outcome == Outcome.SUCCESS and item.run_id != run_id]
    if not good:
        return None
    ended = good[-1].stopped_at or good[-1].launched_at
    return Before(datetime.fromtimestamp(ended, UTC), good[-1].release)


def tell(config: Config, message: Message) -> bool:
    """Send a message by every way, and say in the log what became of it; raises nothing.

    Returns:
        Whether it left by any.
    """
    tried = send(config, message, lambda: connection_of_airflow(config))
    for sent in tried:
        if sent.error:
            log.error("The alert could not be sent by %s: %s", sent.channel, sent.error)
        else:
            log.info("Told by %s: %s", sent.channel, message.subject)
    return any(not sent.error for sent in tried)


def base_url() -> str:
    """Return the address of Airflow's UI."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="http://localhost:8080"))


def _reason(report: Report | None, error: object) -> str:
    """Return what ECS or the exception says; not that a container ended, which its log and its checks say better."""
    if report is None:
        return str(error or "").strip().partition("\n")[0]
    return "" if report.reason == _ENDED else report.reason


def _tried(work: Callable[[], T], otherwise: T) -> T:
    """Return what `work` gives: an alert without it is better than none."""
    try:
        return work()
    except (BotoCoreError, ClientError, OSError) as error:
        log.warning("The alert goes out without all its facts: %s", error)
        return otherwise
