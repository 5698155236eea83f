"""OpenLineage events of a module's command, sent where the container's variables say; nowhere when they say nothing.

The variables are OpenLineage's own: `OPENLINEAGE_URL`, `OPENLINEAGE_NAMESPACE` of jobs, and `OPENLINEAGE_CONTEXT`, the
parent as a JSON object (openlineage-python and openlineage-integration-common, version 1.54).
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.saying import say

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent
    from openlineage.client.facet_v2 import parent_run

PRODUCER = "urn:datavision"
REQUEST_SECONDS = 2.0
TOTAL_SECONDS = 5.0
"""A command does not wait longer than both together for a server that does not answer."""


@dataclass(frozen=True)
class Lineage:
    """Where events go, and what every job of this process belongs to."""

    url: str
    namespace: str
    context: str | None = None
    """OPENLINEAGE_CONTEXT, of which a job has its parent."""

    @classmethod
    def current(cls, process: ProcessEnvironment | None = None) -> Self | None:
        """Return what this process was told, or None when lineage is off."""
        told = process or ProcessEnvironment.current()
        if told.openlineage_url is None:
            return None
        return cls(told.openlineage_url, told.openlineage_namespace or "datavision", told.openlineage_context)

    @property
    def parent(self) -> "parent_run.ParentRunFacet | None":
        """The run that this process works for: an Airflow task, whose root is the DAG run."""
        from openlineage.client.facet_v2 import parent_run

        try:
            found = json.loads(self.context or "{}")["parent"]
            root = found.get("root", found)
            return parent_run.ParentRunFacet(
                run=parent_run.Run(runId=found["run"]["runId"]),
                job=parent_run.Job(namespace=found["job"]["namespace"], name=found["job"]["name"]),
                root=parent_run.Root(
                    run=parent_run.RootRun(runId=root["run"]["runId"]),
                    job=parent_run.RootJob(namespace=root["job"]["namespace"], name=root["job"]["name"]),
                ),
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            return None

    def job(
        self,
        name: str,
        began: float,
        *,
        succeeded: bool,
        run_id: str | None = None,
        inputs: "Sequence[InputDataset]" = (),
        outputs: "Sequence[OutputDataset]" = (),
    ) -> "tuple[RunEvent, RunEvent]":
        """Return the events of a job's beginning and of its end, which is now.

        Args:
            name: The job's.
            began: Unix seconds.
            succeeded: Whether it did.
            run_id: Of this run of it; a new one when not given.
            inputs: What it read.
            outputs: What it wrote.
        """
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        from openlineage.client.uuid import generate_new_uuid

        parent = self.parent
        run = Run(runId=run_id or str(generate_new_uuid()), facets={"parent": parent} if parent else {})
        about: dict[str, Any] = {"run": run, "job": Job(self.namespace, name), "producer": PRODUCER}
        end = RunState.COMPLETE if succeeded else RunState.FAIL
        return (
            RunEvent(eventTime=_iso(began), eventType=RunState.START, **about),
            RunEvent(eventTime=_iso(time.time()), eventType=end, inputs=[*inputs], outputs=[*outputs], **about),
        )

    def send(self, events: "Iterable[RunEvent]") -> None:
        """Send events in order, unless one is refused or it takes too long; raises nothing.

        Args:
            events: Of one or several jobs; an error in making them is told as one in sending them.
        """
        from openlineage.client import OpenLineageClient
        from openlineage.client.transport.http import HttpConfig, HttpTransport

        give_up = time.monotonic() + TOTAL_SECONDS
        try:
            transport = HttpTransport(HttpConfig(self.url, timeout=REQUEST_SECONDS, retry={"total": 0}))
            client = OpenLineageClient(transport=transport)
            for event in events:
                if time.monotonic() > give_up:
                    say(f"the lineage was not sent to its end: {self.url} takes more than {TOTAL_SECONDS:.0f} s for it")
                    break
                client.emit(event)
        except Exception as error:  # noqa: BLE001 - whatever it was, the command's own work is done
            say(f"the lineage was not sent to {self.url}: {' '.join(str(error).split())[:300]}")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
