"""What the page shows, as plain data; reading it holds up neither tasks nor callers."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.ecs.describe import log_target
from fargate_local.engine.records import Records
from fargate_local.engine.service_records import ServiceRecords
from fargate_local.faults.rules import FaultRules
from fargate_local.protocol.arns import ACCOUNT, last_part
from fargate_local.protocol.errors import EcsError
from fargate_local.protocol.plan import LogTarget
from fargate_local.ui.log_lines import lines_after

PAGE: Final = 50
EVENTS: Final = 30
STATUSES: Final = ("RUNNING", "STOPPED")
"""What a task is desired to be."""


class NotFoundError(LookupError):
    """Nothing has this name; the text says what to do."""


@dataclass(frozen=True, slots=True)
class View:
    """Answers from the records; `stop` answers a StopTask in JSON for a region."""

    gate: MotoGate
    catalog: Catalog
    tasks: Records
    services: ServiceRecords
    rules: FaultRules
    stop: Callable[[str, bytes], bytes]

    def clusters(self) -> list[dict[str, Any]]:
        """Return the active clusters of all regions, with how many tasks each has in which state, and its services."""
        return [
            {
                "arn": arn,
                "name": last_part(arn),
                "region": region_of(arn),
                "tasks": self.tasks.tally(arn),
                "services": len(self.services.alive(arn)),
            }
            for arn in self._cluster_arns()
        ]

    def _cluster_arns(self) -> list[str]:
        # Nobody who has not called ECS has a cluster; moto's ECS is not imported then.
        models = sys.modules.get("moto.ecs.models")
        if models is None:
            return []
        with self.gate.held():
            backends = list(models.ecs_backends[ACCOUNT].values())
            return sorted(each.arn for own in backends for each in own.clusters.values() if each.status == "ACTIVE")

    def page(self, cluster: str, status: str, search: str, before: int | None) -> dict[str, Any]:
        """Return up to `PAGE` tasks of a cluster, newest first, and the position that older ones come before.

        Args:
            cluster: Its ARN.
            status: `RUNNING` or `STOPPED`, as desired; empty for both.
            search: Part of an id, a family, or who started it.
            before: The position of an earlier page; None for the newest.
        """
        wanted = (status,) if status in STATUSES else STATUSES
        rows = [row for each in wanted for row in self.tasks.newest(cluster, each, search, before, PAGE + 1)]
        rows.sort(reverse=True)
        older = rows[PAGE - 1][0] if len(rows) > PAGE else None
        return {"tasks": [summary(json.loads(body)) for _, body in rows[:PAGE]], "older": older}

    def task(self, arn: str) -> dict[str, Any]:
        """Return all of a task, with its tags and with the containers that log.

        Raises:
            NotFoundError: There is no such task, or no longer.
        """
        body, tags = self._found(arn)
        return {**body, "tags": tags, "logged": list(self._log_targets(body))}

    def _found(self, arn: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        found = self.tasks.find([arn])
        if arn not in found:
            message = "There is no such task, or its record has expired: go back to the list of tasks."
            raise NotFoundError(message)
        body, tags = found[arn]
        return json.loads(body), json.loads(tags)

    def _log_targets(self, body: dict[str, Any]) -> dict[str, LogTarget]:
        arn = body["taskArn"]
        try:
            definition = self.catalog.task_definition(region_of(arn), body["taskDefinitionArn"], inactive=True)
        except EcsError:
            # A definition may be deleted while its last tasks are still shown.
            return {}
        containers = definition["containerDefinitions"]
        targets = {each["name"]: log_target(each, region_of(arn), last_part(arn)) for each in containers}
        return {name: target for name, target in targets.items() if target}

    def logs(self, arn: str, container: str, position: int | None) -> dict[str, Any]:
        """Return what a container has logged after a position, that of the next lines, and whether the task has ended.

        Raises:
            NotFoundError: There is no such task, or no such container that logs.
        """
        # Asked first: what a task logged is complete once it is STOPPED.
        body, _ = self._found(arn)
        targets = self._log_targets(body)
        if container not in targets:
            message = f"The task has no container {container!r} that logs: add a logConfiguration to its definition."
            raise NotFoundError(message)
        lines, after = lines_after(self.gate, targets[container], position)
        return {"lines": lines, "position": after, "ended": body["lastStatus"] == "STOPPED"}

    def services_of(self, cluster: str) -> list[dict[str, Any]]:
        """Return a cluster's services, without their events."""
        return [{**record.body, "events": []} for record in self.services.alive(cluster)]

    def service(self, arn: str) -> dict[str, Any]:
        """Return a service with its newest events.

        Raises:
            NotFoundError: There is no such service, or no longer.
        """
        record = self.services.find(arn)
        if record is None:
            message = "There is no such service, or no longer: go back to the list of services."
            raise NotFoundError(message)
        return {**record.body, "events": record.body["events"][:EVENTS], "tags": record.tags}

    def stop_task(self, arn: str, reason: str) -> dict[str, Any]:
        """Stop a task as StopTask does.

        Raises:
            NotFoundError: There is no such task, or no longer.
            EcsError: ECS would refuse it.
        """
        body, _ = self._found(arn)
        request = {"cluster": body["clusterArn"], "task": arn, **({"reason": reason} if reason else {})}
        stopped: dict[str, Any] = json.loads(self.stop(region_of(arn), json.dumps(request).encode()))["task"]
        return summary(stopped)


def summary(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a task."""
    names = ("taskArn", "lastStatus", "desiredStatus", "createdAt", "stopCode", "stoppedReason", "startedBy", "group")
    exits = [container["exitCode"] for container in body["containers"] if "exitCode" in container]
    kept = {name: body[name] for name in names if name in body}
    return {**kept, "definition": last_part(body["taskDefinitionArn"]), "exitCodes": exits}


def region_of(arn: str) -> str:
    """Return the region in an ARN."""
    return arn.split(":")[3]
