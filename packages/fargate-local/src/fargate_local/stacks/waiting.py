"""Stacks whose services and databases are not ready yet: looked at in turns, and told when they are.

CloudFormation waits three hours for a service of ECS to become steady (ECS developer guide, "AWS CloudFormation stack
stuck in …"; AWS re:Post, "Why is my CloudFormation stack stuck when I update an ECS service?"), or as long as
`TimeoutInMinutes` of the stack says.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.protocol.arns import ACCOUNT
from fargate_local.stacks.resource import NESTED
from fargate_local.stacks.signals import SENDER

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 3 * 3600
TOO_LONG: Final = 'Resource handler returned message: "Exceeded attempts to wait" (HandlerErrorCode: NotStabilized)'


@dataclass(frozen=True, slots=True)
class Awaited:
    """A resource that a stack waits for; times are in seconds since the epoch."""

    region: str
    stack_id: str
    logical_id: str
    type: str
    physical_id: str
    since: float
    until: float


Judge = Callable[[Awaited], str | None]
"""Returns nothing as long as a resource is not ready, then an empty text, or what keeps it from becoming so."""


class StackWaiter:
    """Looks at what stacks wait for, from a thread of its own."""

    def __init__(self, gate: MotoGate, clients: CloudClients, judges: Mapping[str, Judge]) -> None:
        """Have resources judged by their type."""
        self._gate, self._clients = gate, clients
        self._judges = {NESTED: self._nested, **judges}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stacks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; stacks stay as they are."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            try:
                with self._gate.held():
                    found = list(all_awaited())
                for each in found:
                    self._look_at(each)
            except Exception:
                log.exception("the stacks in progress could not be looked at")

    def _nested(self, awaited: Awaited) -> str | None:
        stacks = self._clients.get("cloudformation", awaited.region).describe_stacks(StackName=awaited.physical_id)
        status = stacks["Stacks"][0]["StackStatus"]
        if status.endswith("_IN_PROGRESS"):
            return None
        done = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return "" if done else f"Embedded stack {awaited.physical_id} was not successfully created: it became {status}"

    def _look_at(self, awaited: Awaited) -> None:
        judge = self._judges.get(awaited.type)
        outcome = judge(awaited) if judge else ""
        if outcome is None and time.time() > awaited.until:
            outcome = TOO_LONG
        if outcome is None or self._closing.is_set():
            return
        try:
            self._clients.get("cloudformation", awaited.region).signal_resource(
                StackName=awaited.stack_id,
                LogicalResourceId=awaited.logical_id,
                UniqueId=f"{SENDER}:{outcome}",
                Status="FAILURE" if outcome else "SUCCESS",
            )
        except Exception as error:  # noqa: BLE001 - the stack was deleted meanwhile
            log.debug("%s of %s: %s", awaited.logical_id, awaited.stack_id, error)


def all_awaited() -> Iterator[Awaited]:
    """Yield what all stacks wait for; the caller holds the gate."""
    # Before its first call the service is not imported, and there is no stack.
    models = sys.modules.get("moto.cloudformation.models")
    for region, backend in models.cloudformation_backends[ACCOUNT].items() if models else ():
        for stack in backend.stacks.values():
            deployment = getattr(stack, "deployment", None)
            for logical_id in deployment.waiting if deployment else ():
                yield of_stack(region, stack, logical_id)


def of_stack(region: str, stack: Any, logical_id: str) -> Awaited:
    """Return one resource that a stack waits for."""
    since = stack.deployment.since
    return Awaited(
        region=region,
        stack_id=stack.stack_id,
        logical_id=logical_id,
        type=stack.template_dict["Resources"][logical_id]["Type"],
        physical_id=stack.resource_map._parsed_resources[logical_id].physical_resource_id,
        since=since,
        until=since + patience(stack.timeout_in_minutes),
    )


def patience(minutes: Any) -> float:
    """Return for how many seconds a stack waits, given its `TimeoutInMinutes`, if it has any."""
    return min(LONGEST_SECONDS, float(minutes) * 60) if minutes else LONGEST_SECONDS
