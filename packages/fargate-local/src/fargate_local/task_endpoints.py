"""What a container can ask about itself: the task metadata endpoint (version 4) and its role's credentials.

The paths are Fargate's: `/v4/<container>` and below, `/v2/credentials/<task>`. On AWS they are served on 169.254.170.2;
here they are on this server, which is why tasks get `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
"""

import json
import secrets
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fargate_local.engine.records import Records
from fargate_local.engine.usage import Usage, measured
from fargate_local.keys import SessionKey, TaskKeys
from fargate_local.protocol.arns import last_part
from fargate_local.protocol.plan import ContainerPlan, TaskPlan

CREDENTIAL_LIFE = timedelta(hours=6)


class TaskEndpoints:
    """Finds tasks by the identifiers in their containers' environment."""

    def __init__(self, records: Records, keys: TaskKeys, *, measures: bool) -> None:
        """Answer from these records; `measures` says whether containers are processes of this machine."""
        self._measures = measures
        self._records = records
        self._keys = keys
        self._lock = threading.Lock()
        self._containers: dict[str, tuple[TaskPlan, ContainerPlan]] = {}
        self._names: dict[str, str] = {}
        self._roles: dict[str, tuple[str, SessionKey]] = {}

    def environment(self, address: str, plan: TaskPlan, container: ContainerPlan, ident: str) -> dict[str, str]:
        """Return the variables a container has on Fargate, with this server as its AWS endpoint."""
        self._containers[ident] = (plan, container)
        metadata = f"{address}/v4/{ident}"
        injected = {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": plan.region,
            "AWS_DEFAULT_REGION": plan.region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "ECS_CONTAINER_METADATA_URI": f"{address}/v3/{ident}",
            "ECS_CONTAINER_METADATA_URI_V4": metadata,
            "ECS_AGENT_URI": f"{address}/api/{ident}",
        }
        if plan.role:
            name = self._credentials_of(plan.arn, plan.role)
            injected["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{address}/v2/credentials/{name}"
        return {**injected, **container.environment}

    def forget(self, task: dict[str, Any]) -> None:
        """Stop answering for a task that has ended; its credentials are no longer valid."""
        for described in task["containers"]:
            self._containers.pop(last_part(described["containerArn"]), None)
        with self._lock:
            name = self._names.pop(task["taskArn"], "")
            _, key = self._roles.pop(name, ("", None))
        if key:
            self._keys.expire(key)

    def _credentials_of(self, task: str, role: str) -> str:
        """Return the unguessable name under which all containers of a task find their role's credentials."""
        with self._lock:
            if task not in self._names:
                self._names[task] = secrets.token_urlsafe(27)
                self._roles[self._names[task]] = (role, self._keys.issue())
            return self._names[task]

    def caller(self, access_key: str) -> tuple[str, str] | None:
        """Return the (role, task id) of the running task whose credentials these are."""
        with self._lock:
            for task, name in self._names.items():
                role, key = self._roles[name]
                if key.access_key_id == access_key:
                    return role, last_part(task)
        return None

    def plan_of(self, access_key: str) -> TaskPlan | None:
        """Return the running task whose credentials these are."""
        with self._lock:
            arns = [task for task, name in self._names.items() if self._roles[name][1].access_key_id == access_key]
        return next((plan for plan, _ in list(self._containers.values()) if plan.arn in arns), None)

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return the document at a path, or None."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["v2", "credentials"] and len(parts) == 3:
            return self._credentials(parts[2])
        if parts[0] in ("v3", "v4") and parts[1:2] and parts[1] in self._containers:
            if parts[2:] in (["stats"], ["task", "stats"]):
                return self._stats(parts[1], "/".join(parts[2:]))
            plan, container = self._containers[parts[1]]
            wanted = "/".join(parts[2:])
            return self._metadata(plan, container.name, wanted)
        return None

    def _credentials(self, name: str) -> dict[str, Any] | None:
        if name not in self._roles:
            return None
        role, key = self._roles[name]
        expires = datetime.now(UTC) + CREDENTIAL_LIFE
        return {
            "RoleArn": role,
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
            "Token": key.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _metadata(self, plan: TaskPlan, name: str, wanted: str) -> dict[str, Any] | None:
        body = self._records.body(plan.arn)
        if body is None:
            return None
        containers = [describe(described, plan, body) for described in body["containers"]]
        if wanted == "":
            return next(each for each in containers if each["Name"] == name)
        if wanted in ("task", "taskWithTags"):
            found = self._records.find([plan.arn])[plan.arn]
            tags = {tag["key"]: tag["value"] for tag in json.loads(found[1])}
            return {
                "Cluster": body["clusterArn"],
                "TaskARN": plan.arn,
                "Family": plan.family,
                "Revision": str(plan.revision),
                "DesiredStatus": body["desiredStatus"],
                "KnownStatus": body["lastStatus"],
                "Limits": {"CPU": plan.cpu / 1024, "Memory": plan.memory // (1024 * 1024)},
                "PullStartedAt": timestamp(body.get("pullStartedAt")),
                "PullStoppedAt": timestamp(body.get("pullStoppedAt")),
                "AvailabilityZone": body["availabilityZone"],
                "LaunchType": "FARGATE",
                "Containers": containers,
                **({"TaskTags": tags} if wanted == "taskWithTags" else {}),
            }
        return None

    def usage(self) -> list[dict[str, Any]]:
        """Return what each container that runs uses: `cpus` kept busy, `memory` and `memory_limit` in bytes."""
        return [
            {
                "task": plan.arn,
                "container": container.name,
                "cpus": round(used.cpus, 3),
                "cpus_reserved": plan.cpu / 1024,
                "memory": used.after.memory,
                "memory_limit": container.memory or plan.memory,
                "processes": used.after.processes,
            }
            for plan, container, used in self._used(self._containers)
        ]

    def _used(self, idents: Iterable[str]) -> list[tuple[TaskPlan, ContainerPlan, Usage]]:
        wanted = {ident: self._containers[ident] for ident in list(idents) if ident in self._containers}
        running = {ident: pid for ident, pid, _ in self._records.processes() if ident in wanted}
        found = measured(running) if self._measures else {}
        return [(*wanted[ident], used) for ident, used in found.items()]

    def _stats(self, ident: str, wanted: str) -> dict[str, Any]:
        """Return Docker's statistics of a container, or by Docker's ids those of its task's."""
        plan, _ = self._containers[ident]
        body = self._records.body(plan.arn) or {"containers": []}
        known = {
            each["name"]: (each.get("runtimeId", ""), last_part(each["containerArn"])) for each in body["containers"]
        }
        mine = [ident] if wanted == "stats" else [own for _, own in known.values()]
        shown = {}
        for _, container, used in self._used(mine):
            identifier, _ = known[container.name]
            shown[identifier] = used.as_docker(container.name, identifier, container.memory or plan.memory)
        return next(iter(shown.values()), {}) if wanted == "stats" else shown


def describe(container: dict[str, Any], plan: TaskPlan, task: dict[str, Any]) -> dict[str, Any]:
    """Return a container as the metadata endpoint describes it."""
    planned = next(each for each in plan.containers if each.name == container["name"])
    described: dict[str, Any] = {
        "DockerId": container.get("runtimeId", ""),
        "Name": container["name"],
        "DockerName": container["name"],
        "Image": container["image"],
        "ImageID": container.get("imageDigest", ""),
        "Labels": {
            "com.amazonaws.ecs.cluster": task["clusterArn"],
            "com.amazonaws.ecs.container-name": container["name"],
            "com.amazonaws.ecs.task-arn": plan.arn,
            "com.amazonaws.ecs.task-definition-family": plan.family,
            "com.amazonaws.ecs.task-definition-version": str(plan.revision),
        },
        "DesiredStatus": task["desiredStatus"],
        "KnownStatus": container["lastStatus"],
        "Limits": {"CPU": planned.cpu, "Memory": (planned.memory or plan.memory) // (1024 * 1024)},
        "CreatedAt": timestamp(task["createdAt"]),
        "StartedAt": timestamp(task.get("startedAt")),
        "Type": "NORMAL",
        "ContainerARN": container["containerArn"],
        "Networks": [
            {"NetworkMode": "awsvpc", "IPv4Addresses": [interface["privateIpv4Address"]]}
            for interface in container["networkInterfaces"]
        ],
    }
    if planned.logs:
        described["LogDriver"] = "awslogs"
        described["LogOptions"] = {
            "awslogs-group": planned.logs.group,
            "awslogs-region": planned.logs.region,
            "awslogs-stream": planned.logs.stream,
        }
    if "exitCode" in container:
        described["ExitCode"] = container["exitCode"]
    return described


def timestamp(seconds: float | None) -> str | None:
    """Return seconds since the epoch as RFC 3339."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
