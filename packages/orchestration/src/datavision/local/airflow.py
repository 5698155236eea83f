"""Airflow's own services on this machine: API server, scheduler, DAG processor, triggerer.

They are the real ones on PostgreSQL with a git bundle, so that deferral, retries and callbacks are those of production.
"""

import base64
import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx

from datavision.airflow_api import USER
from datavision.local.cloud import console_script
from datavision.local.private import private_folder, write_private
from datavision.local.processes import STOP_SECONDS, Service, StartError, stop_all
from datavision.mail import plain_connection
from fargate_local.ports import free_port

START_SECONDS = 180
TELEMETRY = {
    "AIRFLOW__TRACES__OTEL_ON": "True",
    "AIRFLOW__METRICS__OTEL_ON": "True",
    "AIRFLOW__TRACES__TASK_RUNNER_FLUSH_TIMEOUT_MILLISECONDS": "3000",
    "OTEL_SERVICE_NAME": "airflow",
    "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
}
"""Airflow's traces and metrics over OTLP/HTTP; no task waits longer than three seconds for a server that is away."""
PARALLEL_TASKS = 4
"""Worker processes; tasks wait deferred, so a few serve many."""


@dataclass(frozen=True)
class AirflowSettings:
    """What the local Airflow needs to know."""

    state: Path
    database_url: str
    """SQLAlchemy URL of the metadata database."""
    bundle_repository: Path
    """Bare git repository with `dags/`."""
    scheduled: bool
    """Whether DAGs also run by their schedules, or only when triggered."""
    smtp_port: int | None = None
    otlp_endpoint: str = ""
    """Where its traces and metrics go; empty: nowhere."""


class Airflow:
    """The services, from start to stop."""

    def __init__(self, settings: AirflowSettings, base_env: Mapping[str, str]) -> None:
        """Start the services on a migrated database; `wait` returns when they are up.

        Tasks have an API server of their own: two build their routes in half the time of one that builds all.
        """
        port, execution_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._settings = settings
        self._env = {**base_env, **airflow_environment(settings, port, execution_port)}
        self.password = password_of(settings.state)
        api_server = ["api-server", "--host", "127.0.0.1"]
        services = {
            "api-server": [*api_server, "--apps", "core", "--port", str(port)],
            "execution-api": [*api_server, "--apps", "execution", "--port", str(execution_port)],
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
            "triggerer": ["triggerer", "--skip-serve-logs"],
        }
        logs = settings.state / "logs"
        command = [sys.executable, "-m", "datavision.local.airflow_services", str(logs), json.dumps(services)]
        self._airflow = Service("Airflow", command, self._env, logs / "airflow.log", stop_seconds=STOP_SECONDS + 5)
        self._services = [self._airflow]
        threading.Thread(target=self._warm, daemon=True).start()

    def wait(self) -> None:
        """Wait until all services are healthy; then the watchdog looks after those that run DAGs by their schedules.

        Raises:
            StartError: One of them ended, or they were not up in time.
        """
        self._airflow.wait_until(self._healthy, START_SECONDS, poll_seconds=0.25)
        if self._settings.scheduled:
            self._services.append(start_watchdog(self._settings.state, self._env))

    def stop(self) -> None:
        """Stop all services and what they started."""
        stop_all(self._services)

    def _warm(self) -> None:
        """Ask the API server of tasks: it makes its routes for the first request, and takes seconds."""
        with suppress(StartError):
            self._airflow.wait_until(self._answers_tasks, START_SECONDS, poll_seconds=0.25)

    def _answers_tasks(self) -> bool:
        try:
            url = self._env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
            return httpx.get(f"{url}health", timeout=60, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _healthy(self) -> bool:
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)


def start_watchdog(state: Path, airflow_env: Mapping[str, str]) -> Service:
    """Start the process that tells of runs which were due and do not start; it needs none of Airflow's services."""
    # A bundle's clone of its own: one that another process refreshes looks unchanged to the DAG processor.
    env = {**airflow_env, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(state / "airflow" / "watchdog")}
    command = [sys.executable, "-m", "datavision.alerts.watchdog"]
    return Service("The watchdog", command, env, state / "logs" / "watchdog.log", stop_seconds=1.0)


def migrate_database(settings: AirflowSettings, base_env: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Migrate the metadata database to this Airflow's schema; remembered, because the check alone takes seconds.

    Raises:
        StartError: The migration failed.
    """
    if is_migrated(settings):
        return
    report("creating Airflow's database")
    env = {**base_env, **airflow_environment(settings, port=0)}
    log = settings.state / "logs" / "airflow-migrate.log"
    service = Service("airflow db migrate", [console_script("airflow"), "db", "migrate"], env, log)
    try:
        code = service.wait(START_SECONDS)
    finally:
        service.stop()
    if code != 0:
        raise StartError(f"airflow db migrate failed. {service.tail()}")
    _marker(settings).write_text(version("apache-airflow"))


def is_migrated(settings: AirflowSettings) -> bool:
    """Return whether the metadata database is known to have this Airflow's schema."""
    marker = _marker(settings)
    return marker.exists() and marker.read_text() == version("apache-airflow")


def _marker(settings: AirflowSettings) -> Path:
    return settings.state / "airflow" / "migrated"


def airflow_environment(settings: AirflowSettings, port: int, execution_port: int | None = None) -> dict[str, str]:
    """Return Airflow's configuration as environment variables.

    `execution_port` is the API server's that tasks talk to, if they have one of their own.
    """
    home = private_folder(settings.state / "airflow")
    keys = _keys(home / "keys.json")
    bundle = {
        "name": "datavision",
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {
            "repo_url": str(settings.bundle_repository),
            "tracking_ref": "main",
            "subdir": "dags",
            "refresh_interval": 5,
        },
    }
    env = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.database_url,
        "AIRFLOW__CORE__EXECUTOR": "datavision.executor.ResilientLocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLEL_TASKS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "no-dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(home, keys["password"])),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{execution_port or port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        # Its first responses are slow on a busy laptop, and a worker that gives up waits five minutes for its retry.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        # A worker that looks a moment before its task's process is gone looks again only after this many seconds.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
        "AIRFLOW__API__SECRET_KEY": keys["api"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__EXPOSE_CONFIG": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
        # On a laptop someone is waiting for the next task, and a busier scheduler costs nothing.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.4",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": str(settings.scheduled),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "XDG_RUNTIME_DIR": str(private_folder(home / "run")),
    }
    if settings.smtp_port is not None:
        env["AIRFLOW_CONN_SMTP_DEFAULT"] = json.dumps(plain_connection(settings.smtp_port))
    if settings.otlp_endpoint:
        env |= {**TELEMETRY, "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp_endpoint}
    return env


def _keys(path: Path) -> dict[str, str]:
    """Return this state folder's signing keys, made once and readable by the owner only.

    Raises:
        StartError: The file no longer holds them.
    """
    keys: dict[str, str]
    if not path.exists():
        fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        keys = {"fernet": fernet, "jwt": secrets.token_hex(32), "api": secrets.token_hex(32)}
        write_private(path, json.dumps(keys))
    try:
        keys = json.loads(path.read_text())
        whole = {"fernet", "jwt", "api"} <= set(keys)
    except (ValueError, TypeError):
        whole = False
    if not whole:
        raise StartError(
            f"{path} no longer holds the local Airflow's keys. Remove it; the next start creates new ones."
        )
    if "password" not in keys:  # a state folder of version 0.1
        keys["password"] = secrets.token_urlsafe(12)
        write_private(path, json.dumps(keys))
    return keys


def password_of(state: Path) -> str:
    """Return the password of the local Airflow's user in this state folder."""
    return _keys(state / "airflow" / "keys.json")["password"]


def _passwords(home: Path, password: str) -> Path:
    """Return Airflow's file of passwords, which only its owner can read."""
    return write_private(home / "passwords.json", json.dumps({USER: password}))
