"""The shared containers of one session in one run, in the order in which they were planned.

A container is planned by an object that only one worker can create. Everybody then launches it, with the token in that
object: ECS makes one task of that, whoever is killed in between.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from datavision.aws import Cloud
from datavision.fargate.edge.json_objects import create_json, list_folders, read_json, write_json
from datavision.fargate.identity import TaskKey
from datavision.fargate.launching.request import Market
from datavision.fargate.sharing.inbox import Inbox
from datavision.fargate.sizing.sizes import FargateSize

_MAX_BYTES = 64 * 1024
_DIGITS = 4


@dataclass(frozen=True)
class SharedContainer:
    """One container, planned or launched."""

    number: int
    token: str
    digest: str
    request: dict[str, Any]
    """The arguments of RunTask, without the clientToken."""
    market: Market
    cpu: int
    memory: int
    why_size: str
    intended_at: float
    """Unix seconds."""
    arn: str | None = None

    @property
    def size(self) -> FargateSize:
        """Its Fargate size."""
        return FargateSize(self.cpu, self.memory)


@dataclass(frozen=True)
class SharedContainers:
    """The containers of the session whose name is the task id of `key`."""

    cloud: Cloud
    bucket: str
    key: TaskKey

    def newest(self) -> SharedContainer | None:
        """Return the last one that was planned, or None before the first."""
        folders = list_folders(self.cloud, self.bucket, self._folder)
        return self.read(int(folders[-1])) if folders else None

    def read(self, number: int) -> SharedContainer | None:
        """Return container `number`, or None when it was never planned."""
        planned = read_json(self.cloud, self.bucket, self.prefix(number) + "container.json", _MAX_BYTES)
        if not isinstance(planned, Mapping):
            return None
        launched = read_json(self.cloud, self.bucket, self.prefix(number) + "launched.json", _MAX_BYTES)
        return SharedContainer(**{**planned, "arn": launched["arn"] if launched else None})

    def plan(self, container: SharedContainer) -> SharedContainer:
        """Plan a container; return the one that another worker planned under this number first."""
        key = self.prefix(container.number) + "container.json"
        if create_json(self.cloud, self.bucket, key, asdict(container)):
            return container
        return self.read(container.number) or container

    def launched(self, container: SharedContainer, arn: str) -> SharedContainer:
        """Store which task the container became."""
        write_json(self.cloud, self.bucket, self.prefix(container.number) + "launched.json", {"arn": arn})
        return replace(container, arn=arn)

    def holding(self, token: str) -> SharedContainer | None:
        """Return the container in whose inbox the step with this token is, or None."""
        for folder in reversed(list_folders(self.cloud, self.bucket, self._folder)):
            if self.inbox(int(folder)).holds(token):
                return self.read(int(folder))
        return None

    def inbox(self, number: int) -> Inbox:
        """Return the inbox of container `number`."""
        return Inbox(self.cloud, self.bucket, self.prefix(number))

    def prefix(self, number: int) -> str:
        """Return the key below which everything about container `number` lies."""
        return f"{self._folder}{number:0{_DIGITS}d}/"

    @property
    def _folder(self) -> str:
        return f"shared/{self.key.env}/{self.key.dag_id}/{self.key.run_id}/{self.key.task_id}/"
