"""kill -9 of Airflow's scheduler: how long after a run was due somebody is told that it does not start.

    python bench/dead_scheduler.py

A DAG runs each minute; once a run of it has launched its container, the scheduler is killed. The watchdog of the local
stack has to tell of the next run by mail, and again when the scheduler is back.
"""

import email
import email.policy
import json
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from airflow_rig import Rig, rig

from datavision.aws import Cloud
from datavision.fargate.outcome.audit import list_runs
from datavision.local.airflow import start_watchdog
from datavision.local.mail import Mailbox

PIPELINE = "pipeline_minuto"
DAG = f"""
from airflow.sdk import dag, task
from datavision.dags import cron, dag_defaults

@dag(schedule=cron("* * * * *"), **dag_defaults())
def {PIPELINE}():
    @task.fargate(module="ingesta", cpu=256, memory=512)
    def uno() -> list[str]:
        return ["python", "-c", "pass"]

    uno()

{PIPELINE}()
"""
GRACE_MINUTES = 0.9
"""A healthy run launches its container well within it, and its successor is not due yet."""


def main() -> int:
    state = Path(tempfile.mkdtemp(prefix="datavision-dead-scheduler-"))
    mailbox = Mailbox(state / "mail")
    mailbox.start()
    env = {"DATAVISION_ALERTS__MISSING_AFTER_MINUTES": str(GRACE_MINUTES)}
    try:
        with rig(state, {PIPELINE: DAG}, env=env, scheduled=True, smtp_port=mailbox.port) as running:
            running.services["watchdog"] = start_watchdog(state, running.env)
            running.wait_until(lambda: len(runs(running)) > 1, 300, "a second scheduled run")
            early = len(subjects(state))
            running.kill("scheduler")
            running.wait_until(lambda: len(subjects(state)) > early, 300, "the mail of a missing run")
            running.start("scheduler")
            running.wait_until(lambda: subjects(state)[-1].endswith("volvió a empezar"), 300, "the mail of its return")
            told, watching = subjects(state), not running.services["watchdog"].exited()
    finally:
        mailbox.stop()
    sys.stdout.write(json.dumps({"before": told[:early], "after": told[early:], "watching": watching}) + "\n")
    with suppress(OSError):
        shutil.rmtree(state)
    return 0


def runs(running: Rig) -> list[str]:
    """Return the scheduled runs that have launched something."""
    found = list_runs(Cloud.of(running.config), running.config.storage.results_bucket, "local", PIPELINE)
    return [run for _, run in found if run.startswith("scheduled__")]


def subjects(state: Path) -> list[str]:
    """Return the subjects of all mails, in order of arrival."""
    paths = sorted((state / "mail").glob("*.eml"), key=lambda path: path.name[-7:])
    found = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    return [str(message["subject"]) for message in found]


if __name__ == "__main__":
    sys.exit(main())
