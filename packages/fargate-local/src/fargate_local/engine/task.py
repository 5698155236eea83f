"""One task as DescribeTasks shows it, changing over time."""

from collections.abc import Callable
from typing import Any

from fargate_local.clock import Clock
from fargate_local.engine.records import Records

STATES = (
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
)
OnChange = Callable[[dict[str, Any]], None]


class TaskRecord:
    """The description of a task, stored with every change; each one is passed to `on_change`."""

    def __init__(self, body: dict[str, Any], records: Records, clock: Clock, on_change: OnChange) -> None:
        self.body = body
        self._records = records
        self._clock = clock
        self._on_change = on_change

    @property
    def state(self) -> str:
        """The last status."""
        state: str = self.body["lastStatus"]
        return state

    @property
    def asked_to_stop(self) -> bool:
        """Whether the task's end has been decided."""
        return bool(self.body["desiredStatus"] == "STOPPED")

    def container(self, name: str) -> dict[str, Any]:
        """Return the description of one container."""
        found: dict[str, Any] = next(each for each in self.body["containers"] if each["name"] == name)
        return found

    def enter(self, state: str, stamp: str | None = None) -> None:
        """Move to a later state, recording the time under `stamp`."""
        if STATES.index(state) <= STATES.index(self.state):
            return
        self.body["lastStatus"] = state
        if stamp:
            self.body[stamp] = self._clock.now()
        self.changed()

    def stamp(self, name: str) -> None:
        """Record the current time under `name`."""
        self.body.setdefault(name, self._clock.now())

    def will_stop(self, code: str, reason: str) -> None:
        """Decide why the task stops; the first decision wins."""
        if self.asked_to_stop:
            return
        self.body.update(desiredStatus="STOPPED", stopCode=code, stoppedReason=reason)
        self.stamp("stoppingAt")
        self.changed()

    def changed(self) -> None:
        """Store the description as a new version."""
        self.body["version"] += 1
        self._records.save(self.body)
        self._on_change(self.body)
