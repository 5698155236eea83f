"""Which capacity provider each task of a strategy runs on.

API reference, CapacityProviderStrategyItem: the base comes first, then the weights share out the rest.
"""

import threading

from fargate_local.ecs.launch import Launch, Share


class Spread:
    """Distributes tasks over providers.

    The base applies to each request, the weights to all requests of a strategy together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[tuple[str, tuple[Share, ...]], list[int]] = {}

    def over(self, launch: Launch, count: int) -> list[Launch]:
        """Return the launch of each of `count` tasks."""
        if not launch.strategy:
            return [launch] * count
        if len(launch.strategy) == 1:
            return [launch.on(launch.strategy[0].provider)] * count
        base = [share.provider for share in launch.strategy for _ in range(share.base)][:count]
        with self._lock:
            given = self._given.setdefault((launch.cluster["clusterArn"], launch.strategy), [0] * len(launch.strategy))
            shared = [self._next(launch.strategy, given) for _ in range(count - len(base))]
        return [launch.on(provider) for provider in base + shared]

    @staticmethod
    def _next(strategy: tuple[Share, ...], given: list[int]) -> str:
        """Return the provider that is furthest below its share; it gets the next task."""
        weighted = [number for number, share in enumerate(strategy) if share.weight]
        number = min(weighted, key=lambda each: (given[each] + 1) / strategy[each].weight)
        given[number] += 1
        return strategy[number].provider
