"""The calls of Airflow's REST API (v2) that running a pipeline needs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from datavision.errors import UserError
from datavision.exit_codes import FAILURE

USER = "admin"
"""The one user of the local Airflow."""
_PARSE_REQUEST_SECONDS = 3.0
_AFTERWARDS = "::group::Post Execute"
"""The line of a task's log with which Airflow begins what follows the task: callbacks, the decision about a retry."""

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowError(UserError):
    """Airflow is out of reach, or answered with an error."""

    exit_code = FAILURE


class RefusedRunError(UserError):
    """Airflow refused to start a run; the same call would be refused again."""


@dataclass(frozen=True)
class TaskState:
    """A task instance as Airflow sees it; seconds are None until it has started."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    seconds: float | None

    @property
    def label(self) -> str:
        """The task's name, with its index when mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True)
class BegunRun:
    """A run that has not ended; it keeps the DAG, and so the pins, of its bundle version."""

    dag_id: str
    run_id: str
    bundle_version: str | None
    conf: Mapping[str, Any]


class AirflowApi:
    """A session with one Airflow."""

    def __init__(self, url: str, token: str | None = None, password: str | None = None) -> None:
        """Connect to `url` with a token, or with the password of the local Airflow's user."""
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._client.headers["Authorization"] = f"Bearer {token or self._token_for(password or '')}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def wait_for_dag(self, dag_id: str, bundle_version: str | None, seconds: float) -> None:
        """Wait until the DAG processor has parsed `dag_id` from `bundle_version` (a commit; None: any).

        A reparse of another version is requested every three seconds: new pins change no DAG file, and unchanged files
        are parsed only at Airflow's interval.

        Raises:
            AirflowError: It did not within `seconds`; the text holds the import error if there is one.
        """
        deadline = time.monotonic() + seconds
        next_request = time.monotonic()
        while True:
            answer = self._call("GET", f"/api/v2/dags/{dag_id}", allow=(404,))
            if answer.status_code == httpx.codes.OK:
                dag = answer.json()
                if bundle_version in (None, dag["bundle_version"]) and not dag["has_import_errors"]:
                    return
                if time.monotonic() >= next_request:
                    self._call("PUT", f"/api/v2/parseDagFile/{dag['file_token']}", allow=(404, 409))
                    next_request = time.monotonic() + _PARSE_REQUEST_SECONDS
            if time.monotonic() > deadline:
                raise AirflowError(self._why_missing(dag_id, seconds))
            time.sleep(0.5)

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id.

        Raises:
            RefusedRunError: Airflow refused, for instance because a parameter is invalid.
        """
        answer = self._call(
            "POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf}, allow=(400, 404, 422)
        )
        if answer.status_code != httpx.codes.OK:
            reason = _detail(answer).partition("\n")[0]
            raise RefusedRunError(f"Airflow did not start {dag_id}: {reason}. Fix the call and start it again.")
        return str(answer.json()["dag_run_id"])

    def form(self, dag_id: str) -> dict[str, dict[str, Any]]:
        """Return the DAG's parameters: name → `value`, `description` and JSON `schema`."""
        return dict(self._call("GET", f"/api/v2/dags/{dag_id}/details").json()["params"] or {})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the run's state: queued, running, success or failed."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json()["state"])

    def run_after(self, dag_id: str, run_id: str) -> datetime:
        """Return when the run was due; its business day is that moment's day."""
        run = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json()
        return datetime.fromisoformat(run["run_after"])

    def begun_runs(self) -> list[BegunRun]:
        """Return the runs of all DAGs that are queued or running, at most a hundred."""
        path = "/api/v2/dags/~/dagRuns"
        answer = self._call("GET", path, params={"state": ["queued", "running"], "limit": 100})
        return [
            BegunRun(item["dag_id"], item["dag_run_id"], item["bundle_version"], item["conf"] or {})
            for item in answer.json()["dag_runs"]
        ]

    def has_run(self, dag_id: str, run_id: str) -> bool:
        """Return whether the run exists; a deleted one does not."""
        answer = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", allow=(404,))
        return answer.status_code == httpx.codes.OK

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Return the run's task instances, in the order they started (those that have not, last)."""
        answer = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 500})
        items = sorted(answer.json()["task_instances"], key=lambda item: (item["start_date"] or "9999", item["id"]))
        return [
            TaskState(item["task_id"], item["map_index"], item["state"], item["try_number"], item["duration"])
            for item in items
        ]

    def task_ids(self, dag_id: str) -> list[str]:
        """Return the DAG's task ids in topological order."""
        tasks = self._call("GET", f"/api/v2/dags/{dag_id}/tasks").json()["tasks"]
        after = {task["task_id"]: task["downstream_task_ids"] for task in tasks}
        return topological(after)

    def last_log_lines(self, dag_id: str, run_id: str, task: TaskState, lines: int = 15) -> list[str]:
        """Return the end of the log of the task's last try, without what Airflow did after it."""
        answer = self._call(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}",
            params={"map_index": task.map_index, "full_content": True},
            headers={"Accept": "application/json"},
            allow=(404,),
        )
        if answer.status_code != httpx.codes.OK:
            return []
        content = answer.json().get("content", [])
        found = [line for item in content for line in log_lines(item)]
        # A task that was deferred has such a part at each of its stops.
        ends = [number for number, line in enumerate(found) if line == _AFTERWARDS]
        return found[: ends[-1] if ends else None][-lines:]

    def _why_missing(self, dag_id: str, seconds: float) -> str:
        errors = self._call("GET", "/api/v2/importErrors").json()["import_errors"]
        if errors:
            return f"Airflow cannot import {errors[0]['filename']}:\n{errors[0]['stack_trace'].rstrip()}"
        return f"Airflow did not load {dag_id} within {seconds:.0f} s. Check the name: `ls dags/`."

    def _token_for(self, password: str) -> str:
        answer = self._client.post("/auth/token", json={"username": USER, "password": password})
        if answer.status_code != httpx.codes.CREATED:
            raise AirflowError(
                f"{self._client.base_url} requires a token ({answer.status_code}). Set DATAVISION_AIRFLOW__TOKEN."
            )
        return str(answer.json()["access_token"])

    def _call(self, method: str, path: str, *, allow: tuple[int, ...] = (), **arguments: Any) -> httpx.Response:
        # Every call here may be repeated except POST: a trigger that went through must not be sent twice.
        attempts = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, _ServerBusyError)),
            stop=stop_after_delay(0 if method == "POST" else 60),
            wait=wait_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        try:
            return attempts(self._once, method, path, allow, **arguments)
        except httpx.TransportError as error:
            raise AirflowError(f"{self._client.base_url} does not answer: {error}. Is Airflow running?") from error

    def _once(self, method: str, path: str, allow: tuple[int, ...], **arguments: Any) -> httpx.Response:
        answer = self._client.request(method, path, **arguments)
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _ServerBusyError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:300]}")
        if answer.is_error and answer.status_code not in allow:
            raise AirflowError(f"Airflow answered {answer.status_code} to {method} {path}: {_detail(answer)}")
        return answer


class _ServerBusyError(AirflowError):
    """Airflow's API answered 5xx."""


def topological(after: dict[str, list[str]]) -> list[str]:
    """Order the keys of `after` (task → tasks that follow it) so that each comes before those that follow it."""
    before = TopologicalSorter(dict.fromkeys(after, ()))
    for task, followers in after.items():
        for follower in followers:
            before.add(follower, task)
    return list(before.static_order())


def log_lines(item: Any) -> list[str]:
    """Return the lines of one log record in the API's format, with the exceptions it carries."""
    if not isinstance(item, dict):
        return str(item).splitlines()
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in item.get("error_detail") or []]
    return [line for text in (str(item["event"]), *errors) for line in text.splitlines()]


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except ValueError:
        detail = answer.text
    return str(detail)[:1000]
