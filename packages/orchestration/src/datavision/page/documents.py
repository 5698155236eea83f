"""The page's JSON documents, from audit records, pins and runs; free of I/O.

Times are ISO 8601 with zone or seconds, memory is MiB, cost is dollars.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from datavision.fargate.attempt.accounting import RUNNING
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.sizing.sizes import FargateSize, fitting
from datavision.page.model import Pipeline, Run, Task
from datavision.pins import Pin
from datavision.release.diff import Diff
from datavision.release.pins.history import PinnedVersion
from datavision.release.versions import parse

Document = dict[str, Any]
MIB = 1024 * 1024
_TOO_LARGE, _TOO_SMALL = 0.35, 0.9
"""Of the memory paid for: a peak below the first share wants a smaller size, one above the second a larger one."""
_RUNS_FOR_ADVICE = 3
_SHOWN = 50
"""Failed tests, commits and the like in one document; there may be thousands."""
_TREND = 20
"""Checks in a trend, which has a mark of each for each run."""


def pin(found: Pin | None) -> Document | None:
    """Return what a pipeline is pinned to."""
    if found is None:
        return None
    return {
        "version": found.version,
        "since": found.pinned_at,
        "by": found.pinned_by.partition(" <")[0],
        "reason": found.reason,
        "commit": found.commit,
        "modules": {module: image.tag for module, image in sorted(found.images.items())},
    }


def pipeline(
    found: Pipeline,
    pinned: Pin | None,
    runs: Sequence[Run],
    releases: Mapping[str, str | None],
    *,
    fresh: datetime | None,
    missed: datetime | None,
) -> Document:
    """Return a pipeline as the list shows it.

    Args:
        found: The DAG.
        pinned: Its pin.
        runs: Its newest runs, newest first.
        releases: The release of each run.
        fresh: When the newest successful run began.
        missed: A deadline that has passed without success.
    """
    return {
        "id": found.dag_id,
        "paused": found.paused,
        "schedule": found.schedule,
        "next_run": _iso(found.next_run),
        "late": late(found, missed),
        "data_as_of": _iso(fresh),
        "pin": pin(pinned),
        "runs": [run(item, releases.get(item.run_id)) for item in runs],
    }


def late(found: Pipeline, missed: datetime | None) -> Document | None:
    """Return since when a pipeline is late and why: its run was not created, or is not done; None: it is in time."""
    if found.overdue:
        return {"since": _iso(found.next_run), "why": "not_created"}
    return {"since": _iso(missed), "why": "not_done"} if missed else None


def run(found: Run, release: str | None) -> Document:
    """Return a run as strips and tables show it."""
    return {
        "id": found.run_id,
        "state": found.state,
        "kind": found.kind,
        "due": _iso(found.run_after),
        "start": _iso(found.start),
        "seconds": _between(found.start, found.end),
        "release": release,
        "asked": found.asked_release is not None,
        "user": found.user,
    }


def run_summary(records: Sequence[AuditRecord]) -> Document:
    """Return what a run's containers cost and did: small enough to keep thousands."""
    last = {(record.task_id, record.map_index): record for record in records}
    known = [record.cost_usd for record in records if record.cost_usd is not None]
    checked = [(record, checks(record.result)) for record in last.values()]
    failed, warned = (
        [{**check, "task": record.task_id} for record, found in checked for check in found[level]]
        for level in ("failed", "warned")
    )
    return {
        "cost": round(sum(known), 6) if known else None,
        "launches": len(records),
        "tests": sum(found["passed"] for _, found in checked) + len(failed) + len(warned),
        "failures": len(failed),
        "failed": failed[:_SHOWN],
        "warned": warned[:_SHOWN],
        "checked": sorted({record.task_id for record, found in checked if any(found.values())}),
        "loaded_at": next((r.result["loaded_at"] for r in last.values() if r.result and "loaded_at" in r.result), None),
        "rows": {name: count for record in last.values() for name, count in record.rows.items()},
        "tasks": {
            record.task_id: {
                "seconds": record.seconds,
                "cost": record.cost_usd,
                "peak": record.peak_mib,
                "memory": record.memory,
                "cpu": record.cpu,
            }
            for record in last.values()
        },
    }


def brief(summary: Mapping[str, Any]) -> Document:
    """Return a summary for a list of many: which checks failed is in their trend."""
    return {name: value for name, value in summary.items() if name not in ("failed", "warned", "checked")}


def checks(result: Mapping[str, Any] | None) -> Document:
    """Return the data tests of a task: how many passed, and each that failed or warned with its rows and their keys."""
    if not result:
        return {"passed": 0, "failed": [], "warned": []}
    quality = _mappings(result.get("quality"))
    found = {
        "failed": [
            *(_finding(item) for item in quality if item.get("outcome") == "error"),
            *(_check(item.get("name"), item.get("rows"), item) for item in _mappings(result.get("tests_failed"))),
        ],
        "warned": [
            *(_finding(item) for item in quality if item.get("outcome") == "warning"),
            *(_check(item.get("name"), item.get("rows"), item) for item in _mappings(result.get("tests_warned"))),
        ],
    }
    others = len(found["failed"]) + len(found["warned"])
    return {"passed": int(result.get("tests") or 0) + len(quality) - others, **found}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value or [] if isinstance(item, Mapping)]


def _finding(item: Mapping[str, Any]) -> Document:
    return _check(f"{item.get('table')}.{item.get('check')}", item.get("count"), item)


def _check(name: Any, rows: Any, item: Mapping[str, Any]) -> Document:
    return {"name": name, "rows": rows, "sample": list(item.get("sample") or [])}


def trend(summaries: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Return the checks that did not pass in one of these runs: those of the newest runs first, at most 20.

    Args:
        summaries: Of the runs, as `run_summary` returns them, newest first.

    Returns:
        For each its name, its task, the keys it last showed, and for each run `level` (ok, warn or fail; None: it did
        not look) and `rows`.
    """
    seen: dict[tuple[str, str], Document] = {}
    for index, summary in enumerate(summaries):
        for level, listed in (("fail", summary["failed"]), ("warn", summary["warned"])):
            for check in listed:
                task, name = check["task"], check["name"]
                if (task, name) not in seen:
                    if len(seen) == _TREND:
                        continue
                    levels = ["ok" if task in each["checked"] else None for each in summaries]
                    rows = [0 if known else None for known in levels]
                    about = {"name": name, "task": task, "sample": check["sample"], "levels": levels, "rows": rows}
                    seen[task, name] = about
                seen[task, name]["levels"][index], seen[task, name]["rows"][index] = level, check["rows"]
    return list(seen.values())


def task(found: Task, launches: Sequence[AuditRecord]) -> Document:
    """Return a task instance with its containers."""
    own = [item for item in launches if (item.task_id, item.map_index) == (found.task_id, found.map_index)]
    return {
        "id": found.task_id,
        "map_index": found.map_index,
        "state": found.state,
        "try": found.try_number,
        "start": _iso(found.start),
        "seconds": _between(found.start, found.end),
        "launches": [launch(item, found if item is own[0] else None) for item in own],
    }


def launch(record: AuditRecord, waited: Task | None = None) -> Document:
    """Return one container; `waited`: the task instance whose queue it came from."""
    return {
        "try": record.try_number,
        "launch": record.launch,
        "release": record.release,
        "module": record.module,
        "image": record.image,
        "tag": record.tag,
        "digest": record.digest,
        "seen": record.reported_digest,
        "task_definition": record.task_definition,
        "cpu": record.cpu,
        "memory": record.memory,
        "why_size": record.why_size,
        "capacity": record.capacity,
        "outcome": record.outcome,
        "reason": "" if record.outcome in ("success", RUNNING) else record.reason,
        "exit_code": record.exit_code,
        "command": record.command,
        "phases": phases(record, waited.queued if waited else None),
        "seconds": record.seconds,
        "cost": record.cost_usd,
        "peak": record.peak_mib,
        "rows": record.rows,
        "checks": checks(record.result),
        "report": bool(record.result and record.result.get("report")),
    }


def phases(record: AuditRecord, queued: datetime | None) -> list[Document]:
    """Return how long each phase took, in order; a phase whose ends are not both known is left out."""
    pulled = record.stopped_at - record.seconds if record.stopped_at and record.seconds is not None else None
    moments = [
        ("queued", queued.timestamp() if queued else None),
        ("launching", record.launched_at),
        ("pulling", pulled),
        ("running", record.started_at),
        ("", record.stopped_at),
    ]
    return [
        {"name": name, "seconds": round(max(end - begin, 0), 2)}
        for (name, begin), (_, end) in pairwise(moments)
        if begin is not None and end is not None
    ]


def timeline(entries: Iterable[PinnedVersion]) -> list[Document]:
    """Return what a pipeline was pinned to, in the order of `entries`."""
    return [
        {**(pin(entry.pin) or {}), "action": entry.action or "unknown", "pin_commit": entry.commit} for entry in entries
    ]


def difference(found: Diff, current: str | None) -> Document:
    """Return what changed between two releases; `back` says that the second is older than the `current` one."""
    after, now = parse(found.after), parse(current or "")
    return {
        "before": found.before,
        "after": found.after,
        "back": after is not None and now is not None and after < now,
        "images": {module: list(tags) for module, tags in found.images.items()},
        "commits": {module: commits[:_SHOWN] for module, commits in found.commits.items() if commits},
        "dependencies": dict([(name, list(pair)) for name, pair in found.dependencies.items()][:_SHOWN]),
        "models": dict(list(found.models.items())[: 2 * _SHOWN]),
    }


def advice(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Document]:
    """Return what size would fit each task whose last runs did not fit its own: task → size, peak, better size."""
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for summary in summaries:
        for name, known in summary["tasks"].items():
            if known["peak"]:
                seen.setdefault(name, []).append(known)
    found = {}
    for name, items in seen.items():
        size = FargateSize(items[0]["cpu"], items[0]["memory"])
        peaks = [item["peak"] for item in items if (item["cpu"], item["memory"]) == (size.cpu, size.memory)]
        if len(peaks) < _RUNS_FOR_ADVICE or _TOO_LARGE <= max(peaks) / size.memory <= _TOO_SMALL:
            continue
        better = fitting(size.cpu, max(peaks) * 1.5)
        if better is not None and better.memory != size.memory:
            found[name] = {"cpu": size.cpu, "memory": size.memory, "peak": max(peaks), "better": better.memory}
    return found


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if start and end else None
