"""The page's HTTP routes below `/datavision`. Each names who may call it; a test holds that of every route."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import Depends, FastAPI, HTTPException, Query, Request, status
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from datavision.config import Config, load
from datavision.environment import Environment
from datavision.errors import UserError
from datavision.page import actions, airflow_data, documents, reports
from datavision.page.access import EDITOR, OPERATOR, READER, SAME_ORIGIN, VIEWER, User, operates, readable_pipelines
from datavision.page.files import STATIC
from datavision.page.model import Pipeline, Run
from datavision.page.places import Summaries, Versions, read_launches, repositories
from datavision.release.diff import compare
from datavision.release.pins.drift import pin_states
from datavision.release.pins.history import current_pins, history

STRIP_RUNS = 14
PAGE_RUNS = 30
PAGE_RELEASES = 40
_KINDS = {".mjs": "text/javascript", ".svg": "image/svg+xml"}

app = FastAPI(title="DataVision", version=version("datavision-orchestration"), openapi_url=None)
"""Mounted by Airflow's API server; it publishes no schema, which would be a route without a check."""
_versions = Versions()
_summaries = Summaries()


def configuration() -> Config:
    """Return the environment's configuration."""
    return load()


Configured = Annotated[Config, Depends(configuration)]


class Rollback(BaseModel):
    """The body of a rollback."""

    version: str = Field(min_length=1, max_length=50)
    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]*\S[^\r\n]*$")


class Releasing(BaseModel):
    """The body of a release."""

    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]*\S[^\r\n]*$")


@app.exception_handler(UserError)
def _explained(_request: Request, error: Exception) -> JSONResponse:
    kind = "reviewed" if isinstance(error, actions.ReviewedError) else "refused"
    return JSONResponse({"detail": str(error), "kind": kind}, status.HTTP_409_CONFLICT)


@app.exception_handler(BotoCoreError)
@app.exception_handler(ClientError)
def _no_answer(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"AWS did not answer as expected: {error}", "kind": "aws"}, 502)


@app.middleware("http")
async def _not_stored(request: Request, call_next: Any) -> Response:
    answer: Response = await call_next(request)
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


@app.get("/static/{name}", dependencies=[VIEWER])
def static(name: Literal["page.mjs", "htm.mjs", "style.mjs", "words.mjs", "icon.svg", "icon-dark.svg"]) -> FileResponse:
    """Serve the page's own files; the address of the page's module changes with its content."""
    path = STATIC / name
    return FileResponse(path, media_type=_KINDS[path.suffix], headers={"Cache-Control": "private, max-age=300"})


@app.get("/pipelines", dependencies=[VIEWER])
def pipelines(user: User, session: SessionDep, config: Configured) -> dict[str, Any]:
    """Return the pipelines that the user may read, each with its pin and last runs; `/summaries` has what they cost."""
    now = datetime.now(UTC)
    found = airflow_data.pipelines(session, readable_pipelines(user), now)
    repos = repositories(config)
    pins = current_pins(repos.pins, config.env, [item.dag_id for item in found])
    runs = {item.dag_id: airflow_data.last_runs(session, item.dag_id, STRIP_RUNS) for item in found}
    releases = _versions.of(repos.pins, config.env, [run for listed in runs.values() for run in listed])
    return {
        **_environment(config, user),
        "now": now.isoformat(),
        "pipelines": [
            _pipeline(session, item, pins.get(item.dag_id), runs[item.dag_id], releases, now) for item in found
        ],
    }


@app.get("/pipelines/{dag_id}", dependencies=[READER])
def pipeline(
    dag_id: str, user: User, session: SessionDep, config: Configured, before: datetime | None = None
) -> dict[str, Any]:
    """Return one pipeline: its releases and rollbacks, and its runs; `before` pages back in the runs.

    Raises:
        HTTPException: 404, there is none.
    """
    now = datetime.now(UTC)
    found = next(iter(airflow_data.pipelines(session, {dag_id}, now)), None)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no pipeline {dag_id}.")
    repos = repositories(config)
    runs = airflow_data.last_runs(session, dag_id, PAGE_RUNS + 1, before)
    releases = _versions.of(repos.pins, config.env, runs)
    pinned = current_pins(repos.pins, config.env, [dag_id]).get(dag_id)
    return {
        **_environment(config, user),
        "now": now.isoformat(),
        **_pipeline(session, found, pinned, runs[:PAGE_RUNS], releases, now),
        "more": len(runs) > PAGE_RUNS,
        "timeline": documents.timeline(history(repos.pins, config.env, dag_id, PAGE_RELEASES)),
    }


@app.get("/pipelines/{dag_id}/summaries", dependencies=[READER])
def summaries(
    dag_id: str,
    session: SessionDep,
    config: Configured,
    limit: Annotated[int, Query(ge=1, le=PAGE_RUNS)] = STRIP_RUNS,
    before: datetime | None = None,
) -> dict[str, Any]:
    """Return what the last runs cost and did, which checks did not pass and which sizes do not fit.

    It is read from the results bucket, so slower.
    """
    runs = airflow_data.last_runs(session, dag_id, limit, before)
    found = _summaries.of(config, runs)
    listed = [found[run.run_id] for run in runs]
    return {
        "runs": {name: documents.brief(summary) for name, summary in found.items()},
        "checks": documents.trend(listed),
        "advice": documents.advice(listed),
    }


@app.get("/pipelines/{dag_id}/drift", dependencies=[READER])
def drift(dag_id: str, config: Configured) -> dict[str, Any]:
    """Return how the pin differs from the registry, its task definition and the last run; a sentence each."""
    (state,) = pin_states(config, repositories(config).pins, [dag_id])
    return {"drift": list(state.drift)}


@app.get("/pipelines/{dag_id}/diff", dependencies=[READER])
def difference(dag_id: str, before: str, after: str, config: Configured) -> dict[str, Any]:
    """Return what changed from one release to another: commits, dependencies, dbt models."""
    repos = repositories(config)
    entries = history(repos.pins, config.env, dag_id, PAGE_RELEASES)
    if not {before, after} <= {entry.pin.version for entry in entries}:  # older than what the page offers
        entries = history(repos.pins, config.env, dag_id)
    pinned = entries[0].pin.version if entries else None
    return documents.difference(compare(repos.project, entries, dag_id, before, after), pinned)


@app.get("/runs/{dag_id}/{run_id:path}/report", dependencies=[READER])
def report(dag_id: str, run_id: str, session: SessionDep, config: Configured) -> Response:
    """Return the report that a run wrote, as a page that can reach nothing of Airflow.

    Raises:
        HTTPException: 404, there is none.
    """
    body = reports.newest(config, read_launches(config, _run(session, dag_id, run_id)))
    if body is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "This run wrote no report, or it has been deleted since.")
    return Response(body, media_type="text/html", headers={"Content-Security-Policy": reports.POLICY})


@app.get("/runs/{dag_id}/{run_id:path}", dependencies=[READER])
def run(dag_id: str, run_id: str, session: SessionDep, config: Configured) -> dict[str, Any]:
    """Return one run with its tasks and their containers."""
    found = _run(session, dag_id, run_id)
    launches = read_launches(config, found)
    release = _versions.of(repositories(config).pins, config.env, [found])[run_id]
    listed = airflow_data.tasks(session, dag_id, run_id)
    return {
        "env": config.env,
        "pipeline": dag_id,
        **documents.run(found, release),
        **documents.run_summary(launches),
        "tasks": [documents.task(item, launches) for item in listed],
    }


@app.get("/tasks/{dag_id}/{task_id}", dependencies=[READER])
def task(dag_id: str, task_id: str, session: SessionDep, config: Configured) -> dict[str, Any]:
    """Return one task over the last runs: seconds, peak memory, cost."""
    runs = airflow_data.last_runs(session, dag_id, PAGE_RUNS)
    found = _summaries.of(config, runs)
    releases = _versions.of(repositories(config).pins, config.env, runs)
    kept = [item for item in runs if task_id in found[item.run_id]["tasks"]]
    return {
        "pipeline": dag_id,
        "id": task_id,
        "advice": documents.advice(found[item.run_id] for item in runs).get(task_id),
        "runs": [
            {**documents.run(item, releases[item.run_id]), **found[item.run_id]["tasks"][task_id]} for item in kept
        ],
    }


@app.get("/release", dependencies=[VIEWER, OPERATOR])
def planned_release(config: Configured) -> dict[str, Any]:
    """Return what a release of the working tree would do."""
    return actions.planned(config)


@app.post("/release", dependencies=[SAME_ORIGIN, VIEWER, OPERATOR])
def make_release(body: Releasing, user: User, config: Configured) -> StreamingResponse:
    """Release the working tree; the answer is a line of JSON for each step, as it begins."""
    actions.refuse_reviewed(config, actions.release_command(config))
    lines = actions.releasing(config, body.reason.strip(), _name(user))
    return StreamingResponse(_as_lines(lines), media_type="application/x-ndjson")


@app.post("/rollback/{dag_id}", dependencies=[SAME_ORIGIN, EDITOR, OPERATOR])
def make_rollback(dag_id: str, body: Rollback, user: User, config: Configured) -> dict[str, Any]:
    """Pin one pipeline to a version that it had; no other pipeline and no run in flight changes."""
    return actions.roll_back(config, dag_id, body.version, body.reason.strip(), _name(user))


def _environment(config: Config, user: User) -> dict[str, Any]:
    reviewed = not Environment(config).pins_in_bundle
    return {"env": config.env, "reviewed": reviewed, "operator": operates(user)}


def _pipeline(
    session: SessionDep, found: Pipeline, pinned: Any, runs: list[Run], releases: dict[str, str | None], now: datetime
) -> dict[str, Any]:
    return documents.pipeline(
        found,
        pinned,
        runs,
        releases,
        fresh=airflow_data.last_success(session, found.dag_id),
        missed=airflow_data.missed_deadline(session, found.dag_id, now),
    )


def _run(session: SessionDep, dag_id: str, run_id: str) -> Run:
    found = airflow_data.one_run(session, dag_id, run_id)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} has no run {run_id}.")
    return found


def _as_lines(lines: Iterator[actions.Line]) -> Iterator[str]:
    for line in lines:
        yield json.dumps(line) + "\n"


def _name(user: User) -> str:
    return f"{user.get_name()} (Airflow)"
