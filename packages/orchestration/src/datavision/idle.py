"""What shared containers cost while no step of theirs ran: a record of its own, so that the audit's costs add up.

After a step that failed its container waits for the retry; what no later step pays of that is known once the container
has stopped. ECS knows a stopped one for an hour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from datavision.aws import Cloud, client
from datavision.config import Config
from datavision.fargate.attempt.accounting import IDLE, RUNNING
from datavision.fargate.edge.ecs_tasks import condensed, described, on_spot
from datavision.fargate.identity import read_tags, started_by
from datavision.fargate.outcome.audit import AuditRecord, read_audits, write_audit
from datavision.fargate.outcome.cost import MINIMUM_SECONDS, cost_usd
from datavision.fargate.sizing.sizes import FargateSize

_ROUNDING_SECONDS: Final = 1.0


def record_idle(config: Config) -> list[AuditRecord]:
    """Write a record for each shared container that has stopped and was billed for more than its steps; return those.

    Raises:
        ClientError: ECS does not answer, or a record can be neither read nor written.
    """
    cloud, bucket = Cloud.of(config), config.storage.audit_bucket
    written = []
    for task in described(client(cloud, "ecs"), config.ecs.cluster, desiredStatus="STOPPED"):
        tags = read_tags(task.get("tags", []))
        if task.get("startedBy") != started_by(config.env) or not {"shared", "dag", "run"} <= tags.keys():
            continue
        records = read_audits(cloud, bucket, config.env, tags["dag"], run_id=tags["run"])
        own = [item for item in records if item.task_arn == task["taskArn"]]
        record = idle_record(condensed(task), own, None if own else _without_steps(task, tags, records))
        if record is not None:
            write_audit(cloud, bucket, record)
            written.append(record)
    return written


def _without_steps(
    task: Mapping[str, Any], tags: Mapping[str, str], records: Sequence[AuditRecord]
) -> AuditRecord | None:
    """Return what is known of a container to which no step was handed, by its run's other containers; None: by none.

    Whoever launched it was killed before, and the container with him.
    """
    session, number = tags["task"], tags["try"]
    others = [item for item in records if item.shared.partition("/")[0] == session]
    if not others:
        return None
    return others[-1].model_copy(
        update={
            "shared": f"{session}/{number}",
            "task_arn": task["taskArn"],
            "cpu": int(task["cpu"]),
            "memory": int(task["memory"]),
            "capacity": "spot" if on_spot(task) else "on-demand",
        }
    )


def idle_record(
    task: Mapping[str, Any], records: Sequence[AuditRecord], about: AuditRecord | None = None
) -> AuditRecord | None:
    """Return the record of what a stopped container was billed for beside its steps.

    Args:
        task: As `condensed` returns it.
        records: Its records, in order of launch.
        about: What is known of a container without records.

    Returns:
        None: it has one, it was billed for nothing more, or that cannot be told, because nothing is known of it, or a
        step's end is not known yet.
    """
    begin, end = task.get("pullStartedAt") or task.get("startedAt"), task.get("stoppedAt")
    last = records[-1] if records else about
    if last is None or begin is None or end is None or {item.outcome for item in records} & {RUNNING, IDLE}:
        return None
    seconds = max(end - begin, MINIMUM_SECONDS) - sum(item.seconds or 0.0 for item in records)
    if last.price is None or seconds < _ROUNDING_SECONDS:
        return None
    session, _, number = last.shared.partition("/")
    spot, size = last.capacity == "spot", FargateSize(last.cpu, last.memory)
    return last.model_copy(
        update={
            "task_id": f"{session}-sin-pasos",
            "map_index": -1,
            "try_number": 1,
            "launch": int(number),
            "command": [],
            "outcome": IDLE,
            "stop_code": task.get("stopCode", ""),
            "reason": "its container ran, and none of its steps did",
            "exit_code": None,
            "launched_at": begin,
            "started_at": task.get("startedAt"),
            "stopped_at": end,
            "seconds": round(seconds, 3),
            "cost_usd": cost_usd(size, seconds, last.price, spot=spot, part=True),
            "measured": None,
            "result": None,
        }
    )
