"""The network interfaces of tasks in moto's EC2: there while the task is, by the identifiers that DescribeTasks names.

They are no part of what a restart brings back, for no task outlives its server.
"""

import logging
import queue
import threading
from dataclasses import dataclass
from typing import Any

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.protocol.arns import ACCOUNT

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An interface as a task's attachment describes it. Without `task` it is to go."""

    details: dict[str, str]
    task: str = ""
    groups: tuple[str, ...] = ()
    public: bool = False


class Interfaces:
    """Makes and removes interfaces from a thread of its own: no task waits for moto."""

    def __init__(self, gate: MotoGate) -> None:
        self._gate = gate
        self._queue: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="interfaces", daemon=True)
        self._thread.start()

    def task_made(self, body: dict[str, Any], groups: list[str], *, public: bool) -> None:
        """Give a new task an interface with these security groups, and with a public address if `public`."""
        self._queue.put(Wanted(details_of(body), body["taskArn"], tuple(filter(None, groups)), public))

    def task_ended(self, body: dict[str, Any]) -> None:
        """Remove the interface of a task that has ended."""
        self._queue.put(Wanted(details_of(body)))

    def close(self) -> None:
        """Make and remove what is still waiting, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (wanted := self._queue.get()) is not None:
            try:
                with self._gate.alone():
                    self._change(wanted)
            except Exception:
                log.exception("no network interface for %s", wanted.task or wanted.details)

    @staticmethod
    def _change(wanted: Wanted) -> None:
        # A server that is asked for no task need not wait for EC2.
        from moto.ec2.models import ec2_backends
        from moto.ec2.models.elastic_network_interfaces import NetworkInterface

        details = wanted.details
        identifier = details["networkInterfaceId"]
        backend = ec2_backends[ACCOUNT][details["region"]]
        if not wanted.task:
            backend.enis.pop(identifier, None)
            return
        made = NetworkInterface(  # type: ignore[abstract] # moto makes them so itself
            backend,
            details["subnetId"],
            details["privateIPv4Address"],
            public_ip_auto_assign=wanted.public,
            group_ids=list(wanted.groups),
            description=wanted.task,
        )
        made.id, made.mac_address = identifier, details["macAddress"]
        made.private_dns_name = details["privateDnsName"]
        made.status = "in-use"
        # The developer guide, "Fargate task networking": the interface is made and managed by ECS, not by its user.
        made.requester_managed = True
        backend.enis[identifier] = made


def details_of(body: dict[str, Any]) -> dict[str, str]:
    """Return the details of a task's one attachment, with the task's `region`."""
    details = {item["name"]: item["value"] for item in body["attachments"][0]["details"]}
    return {**details, "region": body["taskArn"].split(":")[3]}
