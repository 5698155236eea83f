"""Audit records as a launch leaves them."""

from datetime import date
from typing import Any

from datavision.fargate.outcome.audit import AuditRecord


def audit(pipeline: str, run_id: str, day: date, launched_at: float, **changes: Any) -> AuditRecord:
    """The record of a launch of `ingesta` that succeeded, changed by name."""
    return AuditRecord.model_validate(
        {
            "env": "dev", "pipeline": pipeline, "run_id": run_id, "run_date": day, "task_id": "ingesta",
            "map_index": -1, "try_number": 1, "launch": 1, "module": "ingesta", "command": ["x"], "release": "1",
            "image": "i", "tag": "1", "digest": "sha256:a", "reported_digest": None, "task_definition": "t:1",
            "task_arn": None, "cpu": 256, "memory": 512, "why_size": "declared", "capacity": "spot", "subnet": "s",
            "outcome": "success", "stop_code": "", "reason": "", "exit_code": 0, "launched_at": launched_at,
            "started_at": None, "stopped_at": None, "seconds": None, "cost_usd": None, "measured": None,
            "result": None, **changes,
        }
    )  # fmt: skip
