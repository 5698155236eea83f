"""The four actions that are real here: RunTask, DescribeTasks, ListTasks, StopTask."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fargate_local.cloud.catalog import Catalog
from fargate_local.ecs.addresses import Addresses
from fargate_local.ecs.describe import new_task
from fargate_local.ecs.identifiers import check_identifier
from fargate_local.ecs.launch import Launch, check_run_task
from fargate_local.ecs.pages import check_described, check_page_size
from fargate_local.ecs.spread import Spread
from fargate_local.engine.engine import Engine
from fargate_local.protocol import reasons
from fargate_local.protocol.arns import Names, last_part
from fargate_local.protocol.errors import ConflictError, InvalidParameterError
from fargate_local.protocol.shapes import parse

DESCRIBE_LIMIT = 100
LIST_LIMIT = 100
REASON_LIMIT = 1024

Json = bytes


class OnMade(Protocol):
    """Hears of each new task."""

    def __call__(self, body: dict[str, Any], groups: list[str], *, public: bool) -> None:
        """Return a task of this description, with these security groups, and with a public address or not."""


class LaunchRules(Protocol):
    """What an account may forbid a launch that is right in itself."""

    def check(self, launch: Launch) -> None:
        """Raise the EcsError that ECS answers."""

    def failures(self, launches: Sequence[Launch]) -> list[dict[str, str] | None]:
        """For each launch of one request, an entry for ``failures``, or None."""


class Actions:
    """The answers, as JSON text. Every method raises EcsError for what ECS rejects."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        on_made: OnMade,
        check_service: Callable[[str, str, str], None],
        addresses: Addresses,
        rules: LaunchRules | None = None,
    ) -> None:
        """Tell `on_made` of new tasks; `check_service` raises for a (region, cluster, service) that does not exist."""
        self._rules = rules
        self._check_service = check_service
        self._engine = engine
        self._on_made = on_made
        self._records = engine.parts.records
        self._catalog = catalog
        self._addresses = addresses
        self._spread = Spread()
        self.by_name: dict[str, Callable[[str, bytes], Json]] = {
            "RunTask": self.run_task,
            "DescribeTasks": self.describe_tasks,
            "ListTasks": self.list_tasks,
            "StopTask": self.stop_task,
        }

    def run_task(self, region: str, body: bytes) -> Json:
        """Create tasks, or find those that the same request created before.

        Raises:
            ConflictError: The clientToken was used with another request.
        """
        request = parse("RunTask", body)
        token = request.get("clientToken")
        if token is None:
            return self._run(check_run_task(self._catalog, region, request))
        key = f"{region}/{token}"
        fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        known = self._records.token(key)
        if known is None:
            launch = check_run_task(self._catalog, region, request)
            with self._engine.lock:
                known = self._records.token(key)
                if known is None:
                    return self._run(launch, (key, fingerprint))
        made_by, arns = known
        if made_by != fingerprint:
            message = (
                "The RunTask request could not be processed due to conflicts. The provided clientToken is already in"
                " use with a different RunTask request."
            )
            raise ConflictError(message, resourceIds=arns)
        return self._described(arns, with_tags=True)

    def _run(self, launch: Launch, token: tuple[str, str] | None = None) -> Json:
        with self._engine.lock:
            arns, failures = self.start(launch, token)
            return self._described(arns, with_tags=True, failures=failures)

    def start(self, launch: Launch, token: tuple[str, str] | None = None) -> tuple[list[str], list[dict[str, str]]]:
        """Start the tasks of a checked launch.

        Args:
            launch: What to start, `count` tasks of its request.
            token: The key and the fingerprint by which the same request finds them again.

        Returns:
            The ARNs of the tasks, and a failure for each that could not be placed.
        """
        if self._rules:
            self._rules.check(launch)
        launches = self._spread.over(launch, launch.request.get("count", 1))
        outcomes = [(each, self._placement_failure(each)) for each in launches]
        made = []
        with self._engine.lock:
            if self._rules:
                over = self._rules.failures(launches)
                outcomes = [(each, failure or none) for (each, failure), none in zip(outcomes, over, strict=True)]
            failures = [failure for _, failure in outcomes if failure]
            now = self._engine.parts.clock.now()
            for each in (launch for launch, failure in outcomes if not failure):
                description, plan = new_task(each, now, *self._addresses.take(launch.subnets))
                self._records.save(description, launch.tags)
                self._on_made(description, launch.groups, public=launch.public)
                self._engine.parts.on_change(description)
                made.append((description, plan))
            arns = [description["taskArn"] for description, _ in made]
            if token and made:
                self._records.save_token(*token, arns, now)
            self._engine.launch(made)
            return arns, failures

    def _placement_failure(self, launch: Launch) -> dict[str, str] | None:
        faults = self._engine.parts.faults
        subject = {"cluster": launch.cluster_name, "family": launch.family, "capacity_provider": launch.capacity}
        if rule := faults.draw("capacity", **subject):
            return {"reason": rule.message or reasons.CAPACITY}
        if rule := faults.draw("resource-eni", **subject):
            return {"arn": launch.cluster["clusterArn"], "reason": rule.message or reasons.RESOURCE_ENI}
        return None

    def describe_tasks(self, region: str, body: bytes) -> Json:
        """Return up to 100 tasks; unknown ones are MISSING.

        Raises:
            InvalidParameterError: The request names none, or more than 100.
        """
        request = parse("DescribeTasks", body)
        for identifier in (request.get("cluster"), *request.get("tasks", [])):
            check_identifier(region, identifier)
        cluster = self._catalog.cluster(region, request.get("cluster"))
        wanted = request.get("tasks", [])
        check_described("Tasks", wanted, DESCRIBE_LIMIT)
        names = Names(region)
        arns = [names.task(cluster["clusterName"], identifier) for identifier in dict.fromkeys(wanted)]
        for arn in arns:
            check_task_arn(arn)
        # A task of another cluster is unknown here.
        prefix = names.task(cluster["clusterName"], "")
        known = [arn for arn in arns if arn.startswith(prefix)]
        unknown = [arn for arn in arns if not arn.startswith(prefix)]
        return self._described(
            known,
            with_tags="TAGS" in request.get("include", []),
            failures=[missing(arn) for arn in unknown],
        )

    def list_tasks(self, region: str, body: bytes) -> Json:
        """Return the ARNs of a cluster's tasks, one page at a time.

        Raises:
            InvalidParameterError: `maxResults` is out of range, or a container instance was asked for.
        """
        request = parse("ListTasks", body)
        check_identifier(region, request.get("cluster"))
        cluster = self._catalog.cluster(region, request.get("cluster"))
        limit = request.get("maxResults", LIST_LIMIT)
        check_page_size(limit, LIST_LIMIT)
        after = page_start(request.get("nextToken"))
        check_filters(request)
        if service := request.get("serviceName"):
            self._check_service(region, cluster["clusterName"], service)
        if request.get("containerInstance"):
            message = "Container instance not found."
            raise InvalidParameterError(message)
        filters = {
            "desired_status": request.get("desiredStatus", "RUNNING"),
            "family": request.get("family"),
            "started_by": request.get("startedBy"),
            "launch_type": request.get("launchType"),
            "group_name": f"service:{last_part(service)}" if service else None,
        }
        rows = self._records.listed(cluster["clusterArn"], filters, after, limit + 1)
        answer: dict[str, Any] = {"taskArns": [arn for _, arn in rows[:limit]]}
        if len(rows) > limit:
            answer["nextToken"] = base64.b64encode(f"tasks-after:{rows[limit - 1][0]}".encode()).decode()
        return dump(answer)

    def stop_task(self, region: str, body: bytes) -> Json:
        """Send SIGTERM now, SIGKILL after the containers' stop timeouts.

        Raises:
            InvalidParameterError: There is no such task, or the reason is too long.
        """
        request = parse("StopTask", body)
        for identifier in (request.get("cluster"), request["task"]):
            check_identifier(region, identifier)
        cluster = self._catalog.cluster(region, request.get("cluster"))
        reason = request.get("reason", reasons.STOPPED_BY_USER)
        if len(reason) > REASON_LIMIT:
            message = f"reason length must be at most {REASON_LIMIT}."
            raise InvalidParameterError(message)
        arn = Names(region).task(cluster["clusterName"], request["task"])
        check_task_arn(arn)
        ours = arn.startswith(Names(region).task(cluster["clusterName"], ""))
        if not ours or not self._engine.stop(arn, "UserInitiated", reason):
            message = "The referenced task was not found."
            raise InvalidParameterError(message)
        description, tags = self._records.find([arn])[arn]
        return f'{{"task":{description[:-1]},"tags":{tags}}}}}'.encode()

    def _described(self, arns: list[str], *, with_tags: bool, failures: list[dict[str, str]] | None = None) -> Json:
        """Return stored descriptions joined as text, which keeps describing a hundred tasks cheap."""
        found = self._records.find(arns)
        tasks = []
        lost = list(failures or ())
        for arn in arns:
            if arn not in found:
                lost.append(missing(arn))
                continue
            body, tags = found[arn]
            tasks.append(f'{body[:-1]},"tags":{tags if with_tags else "[]"}}}')
        return f'{{"tasks":[{",".join(tasks)}],"failures":{json.dumps(lost)}}}'.encode()


def check_filters(request: dict[str, Any]) -> None:
    """Check that `startedBy` and `serviceName` come without another filter.

    Raises:
        InvalidParameterError: One does not.
    """
    given = [name for name in ("family", "startedBy", "serviceName", "containerInstance") if request.get(name)]
    for name in ("startedBy", "serviceName"):
        if name in given and len(given) > 1:
            message = f"cannot specify {name} with other arguments"
            raise InvalidParameterError(message)
    if request.get("startedBy") and request.get("launchType"):
        message = "cannot specify startedBy with other arguments"
        raise InvalidParameterError(message)


def missing(arn: str) -> dict[str, str]:
    """Return the failure of an unknown task."""
    return {"arn": arn, "reason": "MISSING"}


def check_task_arn(arn: str) -> None:
    """Check that a text may be a task's id or ARN.

    Raises:
        InvalidParameterError: It cannot.
    """
    parts = arn.split(":")
    task = parts[5] if len(parts) == 6 else ""
    if parts[:3] != ["arn", "aws", "ecs"] or not task.startswith("task/") or not task.rsplit("/", 1)[-1]:
        message = (
            f"Invalid identifier: Unexpected ARN format: {arn}" if arn.startswith("arn:") else "taskId longer than 36."
        )
        raise InvalidParameterError(message)


def page_start(token: str | None) -> int:
    """Return the position after which a page starts.

    Raises:
        InvalidParameterError: The token is not one of ours.
    """
    if token is None:
        return 0
    try:
        text = base64.b64decode(token, validate=True).decode()
        label, _, number = text.partition(":")
        if label == "tasks-after":
            return int(number)
    except ValueError:
        pass
    message = "Invalid token."
    raise InvalidParameterError(message)


def dump(answer: dict[str, Any]) -> Json:
    """Return an answer as JSON text."""
    return json.dumps(answer, separators=(",", ":")).encode()
