"""Ports of this machine for tasks that share its network, where their definitions ask for one.

A container whose definition sets `FARGATE_LOCAL_PORT_8080` gets a free port in it, at which its program listens instead
of 8080; on AWS, and with networks of their own, the variable keeps the value that the definition gives it.
"""

import re
import threading
from typing import Any, Final

from fargate_local.ports import free_port
from fargate_local.protocol.plan import ContainerPlan, TaskPlan

VARIABLE: Final = re.compile(r"FARGATE_LOCAL_PORT_(\d{1,5})")


class TaskPorts:
    """Which port stands for which container's, from a task's start to its end."""

    def __init__(self, *, own_networks: bool) -> None:
        self._own_networks = own_networks
        self._lock = threading.Lock()
        self._ports: dict[str, dict[tuple[str, int], int]] = {}

    def environment(self, task: TaskPlan, container: ContainerPlan, variables: dict[str, str]) -> dict[str, str]:
        """Return a container's variables with the ports that were taken for it."""
        if self._own_networks:
            return variables
        asked = {name: int(found[1]) for name in variables if (found := VARIABLE.fullmatch(name))}
        taken = {name: str(self._take(task.arn, container.name, port)) for name, port in asked.items()}
        return {**variables, **taken}

    def port(self, task: str, container: str, port: int) -> int:
        """Return where a container's port is found."""
        return self._ports.get(task, {}).get((container, port), port)

    def address(self, task: dict[str, Any]) -> str:
        """Return where a task is found, given its description."""
        if not self._own_networks:
            return "127.0.0.1"
        details = task["attachments"][0]["details"]
        return next(str(item["value"]) for item in details if item["name"] == "privateIPv4Address")

    def forget(self, task: str) -> None:
        """Give a task's ports back."""
        with self._lock:
            self._ports.pop(task, None)

    def _take(self, task: str, container: str, port: int) -> int:
        with self._lock:
            ports = self._ports.setdefault(task, {})
            if (container, port) not in ports:
                ports[container, port] = free_port()
            return ports[container, port]
