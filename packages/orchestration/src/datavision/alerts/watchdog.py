"""`python -m datavision.alerts.watchdog`: looks after Airflow from outside, for runs that were due and do not start.

In the local stack it is a process of its own that looks every few seconds. On AWS EventBridge Scheduler starts it with
`--once` every hour, from Airflow's image. It takes the DAG files from the bundle that Airflow has, and the records of
launches from S3; Airflow's services and its database may be dead.
"""

import argparse
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datavision import config as configuration
from datavision.alerts.missing import keep, look
from datavision.alerts.schedules import schedules_of
from datavision.alerts.told import base_url, tell
from datavision.config import Config
from datavision.exit_codes import FAILURE, SUCCESS

log = logging.getLogger("datavision.watchdog")
_BUNDLE = "datavision"
_PAUSE_SECONDS = 20.0


def main() -> int:
    """Look once, or until it is stopped; the exit code is 1 when something could not be told."""
    parser = argparse.ArgumentParser(prog="python -m datavision.alerts.watchdog")
    parser.add_argument("--once", action="store_true", help="Look once, instead of every twenty seconds.")
    once = parser.parse_args().once
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    config, bundle = configuration.load(), _bundle()
    while True:
        try:
            told = watch(config, _dags(bundle), datetime.now(UTC))
        except Exception:
            if once:
                raise
            log.exception("Could not look; the next look may")
            told = False
        if once:
            return SUCCESS if told else FAILURE
        time.sleep(_PAUSE_SECONDS)


def watch(config: Config, dags: Path, now: datetime) -> bool:
    """Tell of what is missing or starts again, and remember what was told.

    Returns:
        Whether all of it could be told; what could not is told by the next look.

    Raises:
        ClientError: The records cannot be read.
    """
    reached = True
    for found in look(config, schedules_of(dags), now, base_url()):
        if found.message is None or tell(config, found.message):
            keep(config, found)
        else:
            reached = False
    return reached


def _bundle() -> Any:
    """Return the bundle of Airflow's configuration."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    return DagBundlesManager().get_bundle(_BUNDLE)  # type: ignore[no-untyped-call] # untyped upstream


def _dags(bundle: Any) -> Path:
    """Return the newest `dags/` folder."""
    if bundle.is_initialized:
        bundle.refresh()
    else:
        bundle.initialize()
    return Path(bundle.path)


if __name__ == "__main__":
    sys.exit(main())
