"""The request rates of the ECS API.

Amazon ECS API reference, "Request throttling for the Amazon ECS API" and Fargate quotas (read November 2026): bucket
size (burst) and refill per second, shared by the actions of a group.
"""

import threading
import time
from collections.abc import Callable

BUCKETS: dict[str, tuple[float, float]] = {
    "cluster-read": (50, 20),
    "cluster-write": (20, 20),
    "task-read": (100, 20),
    "task-write": (100, 40),
    "fargate-launch": (100, 20),
    "definition-register": (1, 1),
    "definition-read": (50, 20),
}
ACTIONS = {
    "DescribeTasks": ("task-read",),
    "ListTasks": ("task-read",),
    "RunTask": ("task-write",),
    "StopTask": ("task-write",),
    "RegisterTaskDefinition": ("definition-register",),
    "DeregisterTaskDefinition": ("definition-register",),
    "DescribeTaskDefinition": ("definition-read",),
    "ListTaskDefinitions": ("definition-read",),
    "ListTaskDefinitionFamilies": ("definition-read",),
    "DescribeClusters": ("cluster-read",),
    "ListClusters": ("cluster-read",),
    "CreateCluster": ("cluster-write",),
    "DeleteCluster": ("cluster-write",),
}


class TokenBuckets:
    """Buckets that refill over time; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._levels = {name: burst for name, (burst, _) in BUCKETS.items()}
        self._filled_at = dict.fromkeys(BUCKETS, clock())

    def take(self, action: str, launches: int = 0) -> bool:
        """Take one token for an action and one per Fargate launch; return False when a bucket has too few."""
        wanted = dict.fromkeys(ACTIONS.get(action, ()), 1)
        if launches:
            wanted["fargate-launch"] = launches
        with self._lock:
            for name in wanted:
                self._fill(name)
            if any(self._levels[name] < tokens for name, tokens in wanted.items()):
                return False
            for name, tokens in wanted.items():
                self._levels[name] -= tokens
            return True

    def _fill(self, name: str) -> None:
        burst, rate = BUCKETS[name]
        now = self._clock()
        self._levels[name] = min(burst, self._levels[name] + (now - self._filled_at[name]) * rate)
        self._filled_at[name] = now
