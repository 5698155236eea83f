"""What ECS tells EventBridge of tasks and services, on moto's event bus."""

import json
import logging
import queue
import threading
from itertools import groupby
from typing import Any

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.task_endpoints import timestamp

log = logging.getLogger(__name__)

BATCH = 10
STAMPS = (
    "connectivityAt",
    "createdAt",
    "executionStoppedAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppedAt",
    "stoppingAt",
)


class EventPublisher:
    """Puts events on the default bus, in order, from a thread of its own.

    Without a rule or an archive nobody can ever see an event, so none is put.
    """

    def __init__(self, gate: MotoGate, clients: CloudClients) -> None:
        self._gate = gate
        self._clients = clients
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def task_changed(self, body: dict[str, Any]) -> None:
        """Publish a task's current description."""
        if self._gate.has_event_rules:
            self._queue.put(state_change(body))

    def service_changed(self, arn: str, kind: str, detail: dict[str, Any], now: float) -> None:
        """Publish something about a service: `kind` is the event's detail type."""
        if self._gate.has_event_rules:
            told = {**detail, "createdAt": timestamp(now)}
            self._queue.put({"Source": "aws.ecs", "DetailType": kind, "Resources": [arn], "Detail": json.dumps(told)})

    def close(self) -> None:
        """Publish what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            entries = [entry]
            while len(entries) < BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._put(entries)
                    return
                entries.append(following)
            self._put(entries)

    def _put(self, entries: list[dict[str, Any]]) -> None:
        for region, ours in groupby(entries, key=lambda entry: entry["Resources"][0].split(":")[3]):
            try:
                self._clients.get("events", region).put_events(Entries=list(ours))
            except Exception:
                log.exception("could not put events of ECS")


def state_change(body: dict[str, Any]) -> dict[str, Any]:
    """Return the event for a task's description (developer guide, "Amazon ECS task state change events")."""
    region = body["taskArn"].split(":")[3]
    detail = {key: value for key, value in body.items() if key not in STAMPS}
    for stamp in STAMPS:
        if stamp in body:
            detail[stamp] = timestamp(body[stamp])
    detail["updatedAt"] = max(value for key, value in detail.items() if key in STAMPS)
    return {
        "Source": "aws.ecs",
        "DetailType": "ECS Task State Change",
        "Resources": [body["taskArn"]],
        "Detail": json.dumps({**detail, "version": body["version"], "accountId": ACCOUNT, "region": region}),
    }
