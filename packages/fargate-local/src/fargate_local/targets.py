"""Runs what rules and schedules ask for: RunTask with the target's parameters, from a thread of its own."""

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError as BotoClientError

from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.event_rules import Invocation, Scheduled, deliver_to_each, scheduled_targets
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.schedules import ScheduleError, next_time
from fargate_local.ecs.targets import run_task_request
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.protocol.errors import ClientError, EcsError

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.5


class TargetRunner:
    """The ECS targets of rules and schedules.

    A target that fails is not tried again; its reason is in the log. What a schedule missed while no server ran is not
    made up for.
    """

    def __init__(
        self, gate: MotoGate, clients: CloudClients, catalog: Catalog, run_task: Callable[[str, bytes], bytes]
    ) -> None:
        self._gate = gate
        self._clients = clients
        self._catalog = catalog
        self._run_task = run_task
        self._queue: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._due: dict[tuple[Any, ...], float | None] = {}
        self._closing = threading.Event()
        gate.on_events(lambda: deliver_to_each(self._queue.put, gate.why_not_published))
        self._thread = threading.Thread(target=self._run, name="targets", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop: the target being run is finished, those still waiting are dropped."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ticked = 0.0
        while not self._closing.is_set():
            try:
                invocation = self._queue.get(timeout=TICK_SECONDS)
            except queue.Empty:
                invocation = None
            if invocation and not self._closing.is_set():
                self._invoke(invocation)
            if time.monotonic() - ticked >= TICK_SECONDS:
                ticked = time.monotonic()
                try:
                    self._tick(time.time())
                except Exception:
                    log.exception("could not run what is due")

    def _tick(self, now: float) -> None:
        with self._gate.held():
            alive = list(scheduled_targets(ACCOUNT, scheduled_event))
        known: dict[tuple[Any, ...], float | None] = {}
        for each in alive:
            key = (each.identity, each.expression, each.zone, each.began, each.ends)
            due = self._due[key] if key in self._due else self._next(each, now)
            if due is not None and due <= now:
                due = self._next(each, now)
                self._fire(each)
                if due is None and each.deleted_by:
                    self._delete(*each.deleted_by)
            known[key] = due
        self._due = known

    def _fire(self, scheduled: Scheduled) -> None:
        try:
            invocation = scheduled.invocation()
        except Exception:
            log.exception("%s: its input makes no sense", scheduled.identity)
        else:
            self._invoke(invocation)

    @staticmethod
    def _next(scheduled: Scheduled, now: float) -> float | None:
        began = datetime.fromtimestamp(scheduled.began or now, UTC)
        after = max(datetime.fromtimestamp(now, UTC), began)
        try:
            due = next_time(scheduled.expression, after, began, scheduled.zone)
        except ScheduleError:
            log.warning("%s: %s is no schedule", scheduled.identity, scheduled.expression)
            return None
        over = due is None or (scheduled.ends is not None and due.timestamp() > scheduled.ends)
        return None if over or due is None else due.timestamp()

    def _invoke(self, invocation: Invocation) -> None:
        role = invocation.target.get("RoleArn", "")
        try:
            if not self._catalog.has_role(role):
                message = f"the role {role!r} does not exist"
                raise ClientError(message)
            request = json.dumps(run_task_request(invocation)).encode()
            failures = json.loads(self._run_task(invocation.region, request))["failures"]
        except EcsError as error:
            log.warning("%s ran no task: %s: %s", invocation.source, error.code, error.message)
        except Exception:
            log.exception("%s ran no task", invocation.source)
        else:
            for failure in failures:
                log.warning("%s ran no task: %s", invocation.source, failure["reason"])

    def _delete(self, region: str, group: str, name: str) -> None:
        try:
            self._clients.get("scheduler", region).delete_schedule(GroupName=group, Name=name)
        except BotoClientError as error:
            log.warning("schedule %s could not be deleted after its end: %s", name, error)


def scheduled_event(rule: Any) -> dict[str, Any]:
    """Return the event that a rule's schedule sends now (EventBridge's user guide, "Scheduled Event")."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": rule.arn.split(":")[3],
        "resources": [rule.arn],
        "detail": {},
    }
