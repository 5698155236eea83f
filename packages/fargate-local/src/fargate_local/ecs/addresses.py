"""Which addresses of a subnet are free for a task's interface."""

import ipaddress
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Container
from typing import Any

from fargate_local.cloud.catalog import Subnet


class Addresses:
    """Gives each task an address of its own, in turn, for as long as its subnet has one."""

    def __init__(self, reserved: Callable[[], Container[str]] = frozenset) -> None:
        """Give away none that is reserved."""
        self._reserved = reserved
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._used: Counter[tuple[str, str]] = Counter()

    def take(self, subnets: list[Subnet]) -> tuple[Subnet, str]:
        """Return one of the subnets and an address in it; where all are taken, one that another task has, too."""
        with self._lock:
            number = next(self._numbers)
            subnet = subnets[number % len(subnets)]
            choices = (address(subnet.block, number + offset) for offset in range(usable(subnet.block)))
            kept = self._reserved()
            free = (each for each in choices if each not in kept and not self._used[subnet.subnet_id, each])
            found = next(free, None)
            found = found or address(subnet.block, number)
            self._used[subnet.subnet_id, found] += 1
            return subnet, found

    def give_back(self, task: dict[str, Any]) -> None:
        """Take back the address of a task that has ended, given its description."""
        details = {item["name"]: item["value"] for item in task["attachments"][0]["details"]}
        key = details["subnetId"], details["privateIPv4Address"]
        with self._lock:
            self._used[key] -= 1
            if self._used[key] <= 0:
                del self._used[key]


def usable(block: str) -> int:
    """Return how many addresses of a subnet AWS assigns: it keeps five (VPC user guide, "Subnet sizing")."""
    return max(ipaddress.ip_network(block).num_addresses - 5, 1)


def address(block: str, number: int) -> str:
    """Return the `number`-th address of a subnet that AWS would assign, starting over after the last one."""
    network = ipaddress.ip_network(block)
    return str(network[4 + number % usable(block)] if network.num_addresses > 4 else network[0])
