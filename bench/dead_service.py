"""kill -9 of a service of Airflow, and who tells of it: a DAG runs each minute, and mails go to a real SMTP server.

    python bench/dead_service.py scheduler
    python bench/dead_service.py triggerer

Once two runs have launched their containers the service is killed. Without a scheduler no run starts: the watchdog of
the local stack tells of the next one, and of its return. Without a triggerer a run waits for ever: a worker tells that
its deadline has passed.
"""

import argparse
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
from datetime import timedelta
from airflow.sdk import dag, task
from datavision.alerts import late_alert
from datavision.dags import cron, dag_defaults

@dag(schedule=cron("* * * * *"), deadline=late_alert(timedelta(minutes={{minutes}}), at="su hora"), **dag_defaults())
def {PIPELINE}():
    @task.fargate(module="ingesta", cpu=256, memory=512)
    def uno() -> list[str]:
        return ["python", "-c", "pass"]

    uno()

{PIPELINE}()
"""
MINUTES = 0.9
"""A healthy run launches its container and ends well within it, and its successor is not due yet."""
NEVER = 60


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("victim", choices=("scheduler", "triggerer"))
    victim = options.parse_args().victim
    state = Path(tempfile.mkdtemp(prefix="datavision-dead-service-"))
    mailbox = Mailbox(state / "mail")
    mailbox.start()
    missing, late = (MINUTES, NEVER) if victim == "scheduler" else (NEVER, MINUTES)
    # A worker would see the end of so short a container without any triggerer.
    env = {"DATAVISION_ALERTS__MISSING_AFTER_MINUTES": str(missing), "DATAVISION_ECS__WAIT__WORKER_SECONDS": "0"}
    try:
        dags = {PIPELINE: DAG.format(minutes=late)}
        with rig(state, dags, env=env, scheduled=True, smtp_port=mailbox.port) as running:
            running.services["watchdog"] = start_watchdog(state, running.env)
            running.wait_until(lambda: len(runs(running)) > 1, 300, "a second scheduled run")
            before = subjects(state)
            running.kill(victim)
            running.wait_until(lambda: len(subjects(state)) > len(before), 300, "a mail of what is late")
            if victim == "scheduler":
                running.start(victim)
                running.wait_until(
                    lambda: subjects(state)[-1].endswith("volvió a empezar"), 300, "a mail of its return"
                )
            after, watching = subjects(state)[len(before) :], not running.services["watchdog"].exited()
    finally:
        mailbox.stop()
    sys.stdout.write(json.dumps({"before": before, "after": after, "watching": watching}) + "\n")
    with suppress(OSError):
        shutil.rmtree(state)
    return 0


def runs(running: Rig) -> list[str]:
    """Return the scheduled runs that have launched something."""
    found = list_runs(Cloud.of(running.config), running.config.storage.audit_bucket, "local", PIPELINE)
    return [run for _, run in found if run.startswith("scheduled__")]


def subjects(state: Path) -> list[str]:
    """Return the subjects of all mails, in order of arrival."""
    paths = sorted((state / "mail").glob("*.eml"), key=lambda path: path.name[-7:])
    found = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    return [str(message["subject"]) for message in found]


if __name__ == "__main__":
    sys.exit(main())
