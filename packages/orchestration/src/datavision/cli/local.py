"""`datavision up` and `datavision clean`: the local stack."""

import shutil
import signal
import time

from datavision.cli.output import out, step
from datavision.errors import UserError
from datavision.state import state_dir


def up() -> None:
    """Start the local stack with the Airflow UI and keep it running; Ctrl-C stops everything.

    Example: datavision up
    """
    from datavision.airflow_api import USER
    from datavision.local.stack import local_stack

    try:
        with local_stack(step, scheduled=True) as stack:
            signing_in = f"user {USER}, password {stack.airflow_password}"
            out.print(
                f"Airflow: {stack.airflow_url} ({signing_in})", f"cloud:   {stack.cloud_url}", sep="\n", soft_wrap=True
            )
            step("running; Ctrl-C stops everything")
            while True:
                time.sleep(1)  # a signal that comes just before a sleep ends only the next one
    except KeyboardInterrupt:
        step("stopped")


def clean() -> None:
    """Stop what is still running for this folder and remove the state folder with all local data.

    Example: datavision clean
    """
    from datavision.local.postgres import EmbeddedPostgres
    from datavision.local.stack import running_stack

    if stack := running_stack():
        raise UserError(
            f"A local stack is running (process {stack.pid}). Stop it with Ctrl-C where it was started, then clean."
        )
    state = state_dir()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (state / "postgres").exists():
        EmbeddedPostgres(state / "postgres").stop()
    shutil.rmtree(state, ignore_errors=True)
    step(f"removed {state}")
