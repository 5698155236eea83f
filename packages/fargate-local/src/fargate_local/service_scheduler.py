"""The service scheduler: keeps each service at its desired count, and moves it from one deployment to the next.

Developer guide, "Amazon ECS services", "How the Amazon ECS deployment circuit breaker detects failures", "Amazon ECS
service event messages" (read November 2026).
"""

import json
import logging
import math
import queue
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from fargate_local.clock import Clock
from fargate_local.cloud.catalog import Catalog
from fargate_local.ecs.actions import Actions
from fargate_local.ecs.describe import health_check
from fargate_local.ecs.launch import COUNT_LIMIT, check_run_task
from fargate_local.ecs.rollout import Limits, Member, next_step
from fargate_local.ecs.service_requests import begin, launch_request, show_primary
from fargate_local.engine.engine import RECORD_LIFE, Engine
from fargate_local.engine.service_records import ServiceRecord, ServiceRecords
from fargate_local.events import EventPublisher
from fargate_local.protocol.arns import Names, last_part
from fargate_local.protocol.errors import EcsError
from fargate_local.service_links import ServiceLinks

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.5
SETTLED_SECONDS: Final = 1.0
"""How long a task without a health check must run to count as healthy: one that ends at once replaces no good one."""
EVENTS_KEPT: Final = 100
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Between starts of tasks that do not stay, doubled each time (the developer guide does not say how long ECS waits)."""
BREAKER_LEAST: Final = 3
BREAKER_MOST: Final = 200
MANY: Final = 100_000
SCHEDULER: Final = "ServiceSchedulerInitiated"
NOBODYS_FAULT: Final = frozenset({SCHEDULER, "UserInitiated", "TerminationNotice", "SpotInterruption"})
"""Codes of stops that say nothing about what the task runs."""


class News:
    """What the scheduler has to hear of, from any thread."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.ending: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        """Tasks of services that are to stop, each once."""
        self._known: set[str] = set()

    def service_changed(self) -> None:
        """Have the services looked at now."""
        self.woken.set()

    def task_changed(self, body: dict[str, Any]) -> None:
        """Hear of a task's new state; called with the engine's lock."""
        if not str(body["group"]).startswith("service:"):
            return
        if body["desiredStatus"] == "STOPPED" and body["taskArn"] not in self._known:
            self._known.add(body["taskArn"])
            self.ending.put(dict(body))
        if body["lastStatus"] == "STOPPED":
            self._known.discard(body["taskArn"])
        self.woken.set()


@dataclass(frozen=True, slots=True)
class Around:
    """What the scheduler works with."""

    news: News
    records: ServiceRecords
    catalog: Catalog
    actions: Actions
    engine: Engine
    events: EventPublisher
    clock: Clock
    links: ServiceLinks
    settle: Callable[[], None]
    """Called first at each look at the services."""


class ServiceScheduler:
    """Looks at every service when something may have changed, from a thread of its own."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._records = around.records
        self._news = around.news
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="services", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; services are as they are."""
        self._closing = True
        self._news.woken.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._news.woken.wait(TICK_SECONDS)
            self._news.woken.clear()
            try:
                self._around.settle()
                self._look_at_all()
            except Exception:
                log.exception("the services could not be looked at")

    def _look_at_all(self) -> None:
        for known in self._records.alive():
            if self._closing:
                return
            try:
                with self._records.lock:
                    self._attend_to(known.arn)
            except Exception:
                log.exception("%s could not be looked at", known.arn)
        self._records.expire(self._around.clock.now() - RECORD_LIFE)

    def _attend_to(self, arn: str) -> None:
        """Look at one service, and keep what came of it; called with the lock of the records."""
        # A task that is missing among the members has been counted, if it ended by itself.
        with self._around.engine.lock:
            self._count_failures()
            record = self._records.find(arn)
            if record is None or record.body["status"] == "INACTIVE":
                return
            members = self._members(record)
        before = json.dumps((record.body, record.notes))
        ended_at = self._look_at(record, members)
        if json.dumps((record.body, record.notes)) != before:
            self._records.save(record, ended_at)

    def _count_failures(self) -> None:
        """Count the tasks that ended by themselves against their deployments."""
        while not self._news.ending.empty():
            body = self._news.ending.get()
            record = self._of_task(body)
            if record and body.get("stopCode") not in NOBODYS_FAULT:
                self._failed(record, body["startedBy"])
                self._records.save(record)

    def _of_task(self, body: dict[str, Any]) -> ServiceRecord | None:
        names, service = Names(body["clusterArn"].split(":")[3]), body["group"].partition(":")[2]
        return self._records.find(names.service(last_part(body["clusterArn"]), service))

    def _failed(self, record: ServiceRecord, deployment_id: str) -> None:
        """Remember that a task did not stay: the next waits longer, and a deployment under way may be given up."""
        now, failures = self._around.clock.now(), record.notes.get("failures", 0) + 1
        pause = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
        record.notes |= {"failures": failures, "not_before": now + pause}
        deployment = record.primary
        if deployment["id"] != deployment_id or deployment["rolloutState"] != "IN_PROGRESS":
            return
        deployment["failedTasks"] += 1
        breaker = record.body["deploymentConfiguration"]["deploymentCircuitBreaker"]
        threshold = min(max(math.ceil(record.body["desiredCount"] / 2), BREAKER_LEAST), BREAKER_MOST)
        if breaker["enable"] and deployment["failedTasks"] >= threshold:
            self._give_up(record, roll_back=breaker["rollback"])

    def _give_up(self, record: ServiceRecord, *, roll_back: bool) -> None:
        now, failed = self._around.clock.now(), record.primary
        why = "ECS deployment circuit breaker: tasks failed to start."
        failed |= {"rolloutState": "FAILED", "rolloutStateReason": why, "updatedAt": now}
        record.notes["given_up_at"] = now
        self._say(record, f"(deployment {failed['id']}) deployment failed: tasks failed to start.")
        self._publish(record, "ECS Deployment State Change", "ERROR", "SERVICE_DEPLOYMENT_FAILED", failed)
        good = record.notes.get("good")
        if not roll_back or not good:
            return
        earlier = [each for each in record.body["deployments"] if each["id"] != good["id"]]
        back = {**good, "status": "PRIMARY", "desiredCount": record.body["desiredCount"], "updatedAt": now}
        begin(back, f"ECS deployment circuit breaker: rolling back to deploymentId {good['id']}.")
        failed |= {"status": "ACTIVE", "desiredCount": 0}
        record.body["deployments"] = [back, *earlier]
        record.notes |= {"failures": 0, "not_before": 0.0}
        show_primary(record.body)
        self._say(record, f"rolling back to deployment {good['id']}.")

    def _look_at(self, record: ServiceRecord, members: list[Member]) -> float | None:
        """Do the next step of one service; return when it became INACTIVE, if it did."""
        if record.body["status"] == "DRAINING":
            self._stop(record, [member.arn for member in members], self._scaling(record))
            self._count(record, members)
            if members or self._stopping(record):
                return None
            record.body |= {"status": "INACTIVE", "deployments": []}
            return self._around.clock.now()
        self._register(record)
        configured = record.body["deploymentConfiguration"]
        desired = record.body["desiredCount"]
        limits = Limits(desired, configured["minimumHealthyPercent"], configured["maximumPercent"])
        step = next_step(record.primary["id"], limits, members)
        for arn in step.unhealthy:
            self._stop(record, [arn], self._say_why_sick(record, arn))
            self._failed(record, next(member.deployment for member in members if member.arn == arn))
        self._stop(record, step.surplus, self._scaling(record))
        may_start = record.primary["rolloutState"] != "FAILED"
        if may_start and self._around.clock.now() >= record.notes.get("not_before", 0.0):
            self._start(record, step.start)
        members = self._members(record)
        self._count(record, members)
        self._complete(record, members)
        return None

    def _register(self, record: ServiceRecord) -> None:
        """Register the running tasks that are not registered yet with what the service is linked to."""
        if not record.body["loadBalancers"] and not record.body["serviceRegistries"]:
            return
        for body in self._tasks(record, "RUNNING"):
            if body["lastStatus"] == "RUNNING":
                self._around.links.tell_names(record.body, body)
                for group in self._around.links.join(record.body, body):
                    self._say(record, f"registered 1 targets in (target-group {group})")
                after = self._around.engine.parts.records.body(body["taskArn"])
                if after is None or after["desiredStatus"] == "STOPPED":
                    # It was told to stop meanwhile, before there was anything to deregister.
                    self._around.links.leave(body["taskArn"])

    def _say_why_sick(self, record: ServiceRecord, arn: str) -> str:
        """Say which health checks a task fails, and return why it is stopped."""
        sick = self._around.links.sick(arn)
        if not sick:
            self._say(record, f"(task {last_part(arn)}) failed container health checks.")
            return "Task failed container health checks"
        for each in sick:
            where = f"(port {each.port}) is unhealthy in (target-group {each.group})"
            self._say(record, f"{where} due to (reason {each.reason}).")
        return f"Task failed ELB health checks in (target-group {sick[0].group})"

    def _tasks(self, record: ServiceRecord, desired_status: str) -> list[dict[str, Any]]:
        """Return the tasks of a service that are to run, or those that are to stop or have."""
        tasks = self._around.engine.parts.records
        filters: dict[str, str | None] = {"group_name": f"service:{record.name}", "desired_status": desired_status}
        arns = [arn for _, arn in tasks.listed(record.body["clusterArn"], filters, 0, MANY)]
        return [json.loads(body) for body, _ in tasks.find(arns).values()]

    def _stopping(self, record: ServiceRecord) -> bool:
        """Return whether a task of a service has not ended yet that is to stop."""
        return any(body["lastStatus"] != "STOPPED" for body in self._tasks(record, "STOPPED"))

    def _members(self, record: ServiceRecord) -> list[Member]:
        """Return the tasks of a service that are not being stopped, in the order of their creation."""
        bodies = self._tasks(record, "RUNNING")
        now, grace = self._around.clock.now(), record.body.get("healthCheckGracePeriodSeconds", 0)
        return [
            self._with_targets(record, member_of(body, now, grace=grace, checked=self._checked(record, body)), body)
            for body in sorted(bodies, key=lambda body: body["createdAt"])
        ]

    def _with_targets(self, record: ServiceRecord, member: Member, task: dict[str, Any]) -> Member:
        """Return a task as its load balancers see it, too; what they say counts after the grace."""
        links = self._around.links
        if not record.body["loadBalancers"] or not member.running:
            return member
        age = self._around.clock.now() - task["startedAt"]
        in_grace = age < record.body.get("healthCheckGracePeriodSeconds", 0)
        well = task["healthStatus"] == "HEALTHY" if self._checked(record, task) else True
        sick = member.unhealthy or (bool(links.sick(member.arn)) and not in_grace)
        return replace(member, healthy=well and links.ready(record.body, member.arn), unhealthy=sick)

    def _checked(self, record: ServiceRecord, task: dict[str, Any]) -> bool:
        """Return whether an essential container of a task has a health check."""
        region = record.arn.split(":")[3]
        definition = self._around.catalog.task_definition(region, task["taskDefinitionArn"], inactive=True)
        return any(
            container.get("essential", True) and health_check(container.get("healthCheck"))
            for container in definition["containerDefinitions"]
        )

    def _start(self, record: ServiceRecord, count: int) -> None:
        primary, made = record.primary, list[str]()
        while len(made) < count:
            request = {
                **launch_request(record.body, primary),
                "count": min(count - len(made), COUNT_LIMIT),
                "group": f"service:{record.name}",
                "startedBy": primary["id"],
                "tags": record.tags if record.body["propagateTags"] == "SERVICE" else [],
            }
            if record.body["propagateTags"] == "TASK_DEFINITION":
                request["propagateTags"] = "TASK_DEFINITION"
            region = record.arn.split(":")[3]
            try:
                launch = check_run_task(self._around.catalog, region, request, inactive=True)
                arns, failures = self._around.actions.start(launch)
            except EcsError as error:
                arns, failures = [], [{"reason": error.message}]
            made += arns
            if failures:
                self._not_placed(record, failures[0]["reason"])
                break
        if made:
            self._say(record, f"has started {len(made)} tasks: {listed(made)}.")

    def _not_placed(self, record: ServiceRecord, reason: str) -> None:
        self._say(record, f"was unable to place a task. Reason: {reason}.")
        self._publish(record, "ECS Service Action", "ERROR", "SERVICE_TASK_PLACEMENT_FAILURE")
        self._failed(record, record.primary["id"])

    def _stop(self, record: ServiceRecord, arns: list[str], reason: str) -> None:
        groups = Counter(group for arn in arns for group in self._around.links.groups(arn))
        for arn in arns:
            self._around.engine.stop(arn, SCHEDULER, reason)
        for group, count in groups.items():
            self._say(record, f"deregistered {count} targets in (target-group {group})")
        if groups:
            self._say(record, f"has begun draining connections on {len(arns)} tasks.")
        if arns:
            self._say(record, f"has stopped {len(arns)} running tasks: {listed(arns)}.")

    @staticmethod
    def _scaling(record: ServiceRecord) -> str:
        return f"Scaling activity initiated by (deployment {record.primary['id']})"

    def _count(self, record: ServiceRecord, members: list[Member]) -> None:
        for deployment in record.body["deployments"]:
            ours = [member for member in members if member.deployment == deployment["id"]]
            running = sum(member.running for member in ours)
            deployment |= {"runningCount": running, "pendingCount": len(ours) - running}
        running = sum(member.running for member in members)
        record.body |= {"runningCount": running, "pendingCount": len(members) - running}

    def _complete(self, record: ServiceRecord, members: list[Member]) -> None:
        """Say when a service is steady, and when its deployment has reached its end."""
        primary, notes, now = record.primary, record.notes, self._around.clock.now()
        ready = [member for member in members if member.deployment == primary["id"] and member.healthy]
        if len(ready) != len(members) or len(ready) != record.body["desiredCount"]:
            notes["steady"] = False
            return
        if notes.get("steady"):
            return
        notes |= {"steady": True, "failures": 0, "not_before": 0.0}
        record.body["deployments"] = [primary]
        if primary["rolloutState"] == "IN_PROGRESS":
            reason = f"ECS deployment {primary['id']} completed."
            primary |= {"rolloutState": "COMPLETED", "rolloutStateReason": reason, "failedTasks": 0, "updatedAt": now}
            notes["good"] = dict(primary)
            self._say(record, f"(deployment {primary['id']}) deployment completed.")
            self._publish(record, "ECS Deployment State Change", "INFO", "SERVICE_DEPLOYMENT_COMPLETED", primary)
        self._say(record, "has reached a steady state.")
        self._publish(record, "ECS Service Action", "INFO", "SERVICE_STEADY_STATE")

    def _say(self, record: ServiceRecord, text: str) -> None:
        """Add a service event, the newest first."""
        event = {
            "id": str(uuid.uuid4()),
            "createdAt": self._around.clock.now(),
            "message": f"(service {record.name}) {text}",
        }
        record.body["events"] = [event, *record.body["events"]][:EVENTS_KEPT]

    def _publish(
        self, record: ServiceRecord, kind: str, level: str, name: str, deployment: dict[str, Any] | None = None
    ) -> None:
        """Put an event on the bus (developer guide, "Amazon ECS service action events" and "… deployment state …")."""
        detail = {"eventType": level, "eventName": name, "clusterArn": record.body["clusterArn"]}
        if deployment:
            detail |= {"deploymentId": deployment["id"], "reason": deployment["rolloutStateReason"]}
        self._around.events.service_changed(record.arn, kind, detail, self._around.clock.now())


def member_of(body: dict[str, Any], now: float, *, grace: float, checked: bool) -> Member:
    """Return a task as the rollout sees it; what the health checks of a `checked` one say counts after the grace."""
    running, health = body["lastStatus"] == "RUNNING", body["healthStatus"]
    age = now - body["startedAt"] if running else 0.0
    return Member(
        arn=body["taskArn"],
        deployment=body.get("startedBy", ""),
        running=running,
        healthy=running and (health == "HEALTHY" if checked else age >= SETTLED_SECONDS),
        unhealthy=running and health == "UNHEALTHY" and age >= grace,
    )


def listed(arns: Iterable[str]) -> str:
    """Return tasks as a service event names them."""
    return " ".join(f"(task {last_part(arn)})" for arn in arns)
