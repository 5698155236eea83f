"""The entire platform on this machine: source, embedded cloud, a release of the working tree, Airflow.

`.datavision/stack.json` describes it while it runs, so that other commands find it.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from datavision.config import Config, config_dir, load
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.images.builders import EngineChoice
from datavision.infra import deploy, put_secret_values
from datavision.local.airflow import Airflow, AirflowSettings, is_migrated, migrate_database
from datavision.local.cloud import Cloud, aws_environment
from datavision.local.locks import take
from datavision.local.mail import Mailbox
from datavision.local.postgres import EmbeddedPostgres
from datavision.local.private import write_private
from datavision.local.source.upkeep import load_if_empty
from datavision.process_environment import ProcessEnvironment
from datavision.release.local import bundle_is_ready, bundle_repository, release_local
from datavision.state import state_dir

Report = Callable[[str], None]

_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "UV", "UV_CACHE_DIR", "XDG_CACHE_HOME")
_PASSED_ON_PREFIXES = ("DATAVISION_", "SSL_", "REQUESTS_CA", "CURL_CA", "LC_", "CONTAINERS_", "DOCKER_")


class StackError(UserError):
    """The local stack cannot be started, or is not running."""


@dataclass(frozen=True)
class RunningStack:
    """Where the parts of a running stack are."""

    pid: int
    cloud_url: str
    source_url: str
    airflow_url: str | None = None
    airflow_password: str | None = None
    """Password of the user `admin`."""
    smtp_port: int | None = None
    """Where alerts of this stack arrive."""

    @property
    def config(self) -> Config:
        """The `local` configuration with the embedded cloud's address in it."""
        return Environment(load("local")).at(self.cloud_url)


def running_stack() -> RunningStack | None:
    """Return the stack that runs for this state folder, or None.

    Raises:
        StackError: Its description is damaged.
    """
    path = state_dir() / "stack.json"
    if not path.exists():
        return None
    with (state_dir() / "stack.lock").open("a") as lock:
        if take(lock):  # nobody holds it: the file is from a stack that was killed
            return None
    try:
        return RunningStack(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"{path} does not describe the running local stack ({error}). Stop that with Ctrl-C where it was started, "
            "remove the file, and start it again."
        ) from error


@contextmanager
def local_stack(
    report: Report, *, airflow: bool = True, scheduled: bool = False, release: bool = True
) -> Iterator[RunningStack]:
    """Start the stack and stop all of it at the end of the block.

    `report` gets a sentence for each step. The working tree is released to `local` unless `release` is false; DAGs run
    by their schedules only if `scheduled`.

    Raises:
        StackError: One runs already for this state folder.
        UserError: A part did not start, or the release failed; nothing is left running.
    """
    state = state_dir()
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        lock = cleanup.enter_context((state / "stack.lock").open("a"))
        if not take(lock):
            raise StackError(
                "A local stack is already running for this folder. Use it, or stop it with Ctrl-C where it was started."
            )
        yield cleanup.enter_context(_started(state, report, airflow=airflow, scheduled=scheduled, release=release))


@contextmanager
def _started(state: Path, report: Report, *, airflow: bool, scheduled: bool, release: bool) -> Iterator[RunningStack]:
    with ExitStack() as cleanup:
        report("starting PostgreSQL and the embedded cloud")
        postgres = cleanup.enter_context(EmbeddedPostgres(state / "postgres"))
        process = ProcessEnvironment.current()
        env = child_environment(state, process)
        cloud = Cloud(state, env, _runtime(load("local").images.engine))
        cleanup.callback(cloud.stop)
        stack = RunningStack(os.getpid(), cloud.url, source_url(postgres, process))
        services: Airflow | None = None
        if airflow:
            mailbox = _mailbox(state, cleanup)
            stack = replace(stack, smtp_port=mailbox.port)
            settings = _airflow_settings(state, postgres, scheduled=scheduled, mailbox=mailbox)
            env |= aws_environment(cloud.url, stack.config.aws.region, process) | {
                "DATAVISION_AWS__ENDPOINT_URL": cloud.url
            }
            if is_migrated(settings) and bundle_is_ready(state):
                services = _launch_airflow(settings, env, cleanup, report)
        cloud.wait()
        with ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool:
            # No long-lived process is started in these threads: the kernel ends a child with its thread.
            loading = pool.submit(_load_source, postgres, process, report)
            _prepare(stack, postgres, report)
            releasing = pool.submit(release_local, stack.config, report) if release else None
            if airflow and services is None:
                migrate_database(settings, env, report)
                if releasing is not None:
                    releasing.result()  # Airflow cannot open a bundle before there is one
                services = _launch_airflow(settings, env, cleanup, report)
            if services is not None:
                services.wait()
                stack = replace(stack, airflow_url=services.url, airflow_password=services.password)
            loading.result()
            if releasing is not None:
                releasing.result()
        path = write_private(state / "stack.json", json.dumps(asdict(stack)))
        cleanup.callback(path.unlink, missing_ok=True)
        yield stack
        report("stopping")


def _launch_airflow(settings: AirflowSettings, env: dict[str, str], cleanup: ExitStack, report: Report) -> Airflow:
    report("starting Airflow: API server, scheduler, DAG processor, triggerer")
    services = Airflow(settings, env)
    cleanup.callback(services.stop)
    return services


def _airflow_settings(state: Path, postgres: EmbeddedPostgres, *, scheduled: bool, mailbox: Mailbox) -> AirflowSettings:
    return AirflowSettings(
        state=state,
        database_url=postgres.url("airflow").replace("postgresql://", "postgresql+psycopg2://", 1),
        bundle_repository=bundle_repository(state),
        scheduled=scheduled,
        smtp_port=mailbox.port,
        otlp_endpoint=load("local").opentelemetry.endpoint,
    )


def _mailbox(state: Path, cleanup: ExitStack) -> Mailbox:
    mailbox = Mailbox(state / "mail")
    mailbox.start()
    cleanup.callback(mailbox.stop)
    return mailbox


def _load_source(postgres: EmbeddedPostgres, process: ProcessEnvironment, report: Report) -> None:
    if process.source_url is None:
        load_if_empty(postgres.url("source"), report)


def _prepare(stack: RunningStack, postgres: EmbeddedPostgres, report: Report) -> None:
    """Deploy the stacks and set the secrets: the databases' addresses change at every start."""
    config = stack.config
    for name, action in deploy(config).items():
        if action != "unchanged":
            report(f"{action} {name}")
    put_secret_values(config, {"source_url": stack.source_url, "lakehouse_catalog_url": postgres.url("lakehouse")})


def _runtime(engine: EngineChoice) -> str:
    """Return the runtime for images that `engine` builds."""
    return engine if engine in ("podman", "docker") else "process"


def source_url(postgres: EmbeddedPostgres, process: ProcessEnvironment) -> str:
    """Return the URL of the source: `DATAVISION_SOURCE__URL`, or the embedded server's database."""
    return process.source_url or postgres.url("source")


def child_environment(state: Path, process: ProcessEnvironment) -> dict[str, str]:
    """Return what child processes see of our environment: nothing of the user's AWS or Airflow settings."""
    kept = {
        name: value
        for name, value in process.inherited.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES) or name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "DATAVISION_ENV": "local",
        "DATAVISION_CONFIG_DIR": str(config_dir(process)),
        "DATAVISION_STATE_DIR": str(state),
    }
