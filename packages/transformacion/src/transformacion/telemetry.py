"""What a dbt command tells the world around it, where the container's variables ask for it: lineage and trace."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from datavision_lakehouse import LakehouseSettings
from datavision_runtime.lineage import PRODUCER, Lineage
from datavision_runtime.saying import say
from datavision_runtime.tracing import Span, send_trace
from transformacion.explained import first_line
from transformacion.outcome import Step, explanation
from transformacion.workspace import PROJECT

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

SERVICE = "transformacion"
Artifacts = Callable[[Path], None]
"""Is given the folder with dbt's manifest.json and run_results.json, before it is removed."""


class Telling:
    """Tells of the command that the block runs: lineage and trace, each where the container's variables ask for it."""

    def __init__(self, command: str, lakehouse: LakehouseSettings) -> None:
        """Begin: the command starts now."""
        self._job = f"{SERVICE}.{command}"
        self._lakehouse = lakehouse
        self._lineage = Lineage.current()
        self._began = time.time()
        self._events: list[RunEvent] = []
        self._run_id: str | None = None
        self._steps: Sequence[Step] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._tell(str(error) if error else "; ".join(explanation(self._steps)))

    @property
    def reader(self) -> Artifacts | None:
        """What wants to read dbt's artifacts; None: nobody, so that dbt need not write them."""
        return self._read if self._lineage else None

    def of(self, steps: Sequence[Step]) -> None:
        """Tell of these steps of dbt, too.

        Args:
            steps: What it ran.
        """
        self._steps = steps

    def _tell(self, error: str) -> None:
        if self._lineage:
            begin, end = self._lineage.job(self._job, self._began, succeeded=not error, run_id=self._run_id)
            self._lineage.send([begin, *self._events, end])
        parts = [
            Span(step.name, step.started, step.started + step.seconds, {"dbt.kind": step.kind}, step.problem)
            for step in self._steps
            if step.started
        ]
        send_trace(SERVICE, Span(self._job, self._began, time.time(), {"dbt.nodes": len(self._steps)}, error), parts)

    def _read(self, target: Path) -> None:
        if self._lineage is None:
            return
        try:
            from openlineage.client.uuid import generate_new_uuid

            self._run_id = str(generate_new_uuid())
            self._events = dbt_events(target, self._lineage, self._job, self._run_id, self._lakehouse.dataset_namespace)
        except Exception as error:  # noqa: BLE001 - whatever it was, dbt's own work is done
            say(f"dbt's lineage cannot be told: {first_line(error)}")


def dbt_events(target: Path, lineage: Lineage, job: str, run_id: str, namespace: str) -> "list[RunEvent]":
    """Return the events of each node that dbt ran, as OpenLineage's own integration reads them from dbt's artifacts.

    Args:
        target: The folder of manifest.json and run_results.json.
        lineage: Names the jobs' namespace, and the root of all.
        job: The command's own job, the parent of all nodes.
        run_id: Of this run of it.
        namespace: Of the datasets: the lakehouse's.
    """
    from openlineage.client.facet_v2 import column_lineage_dataset
    from openlineage.common.provider.dbt.facets import ParentRunMetadata  # type: ignore[import-untyped]  # it ships no types
    from openlineage.common.provider.dbt.local import DbtLocalArtifactProcessor  # type: ignore[import-untyped]  # it ships no types
    from openlineage.common.provider.dbt.processor import UnsupportedDbtCommand  # type: ignore[import-untyped]  # it ships no types

    from transformacion.columns import declared, origins

    class Processor(DbtLocalArtifactProcessor):  # type: ignore[misc]  # it ships no types
        def extract_dataset_namespace(self, profile: dict[str, Any]) -> None:
            self.dataset_namespace = namespace

        def get_dbt_metadata(self) -> Any:
            manifest, *others = super().get_dbt_metadata()
            self.declared = declared([*manifest["nodes"].values(), *manifest["sources"].values()])
            return with_stored_parents(manifest), *others

        def get_column_lineage(self, namespace: str, compiled_sql: str) -> Any:
            # The integration's own parser (openlineage-sql 1.54) does not follow `select *`.
            return column_lineage_dataset.ColumnLineageDatasetFacet(
                fields={
                    name: column_lineage_dataset.Fields(
                        inputFields=[column_lineage_dataset.InputField(namespace, *origin) for origin in found]
                    )
                    for name, found in origins(compiled_sql, self.declared).items()
                }
            )

    processor = Processor(
        str(PROJECT), target_path=str(target), producer=PRODUCER, job_namespace=lineage.namespace, skip_errors=True
    )
    root = lineage.parent.root if lineage.parent else None
    processor.dbt_run_metadata = ParentRunMetadata(
        run_id,
        job,
        lineage.namespace,
        root_parent_run_id=root.run.runId if root else run_id,
        root_parent_job_name=root.job.name if root else job,
        root_parent_job_namespace=root.job.namespace if root else lineage.namespace,
    )
    try:
        return list(processor.parse().events())
    except (UnsupportedDbtCommand, FileNotFoundError):  # freshness, which has no outputs; dbt wrote nothing
        return []


def with_stored_parents(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with each node's parents as OpenLineage's integration (1.54) can name them.

    It knows models and sources as inputs, no snapshots and seeds, and takes an ephemeral model for a table. So an
    ephemeral parent becomes its own parents, and a snapshot or a seed appears under a model's name, too.
    """
    nodes, parents = dict(manifest["nodes"]), manifest["parent_map"]

    def stored(node: str) -> list[str]:
        found = nodes.get(node, {})
        if found.get("config", {}).get("materialized") == "ephemeral":
            return [each for parent in parents.get(node, []) for each in stored(parent)]
        if node.startswith(("snapshot.", "seed.")):
            alias = "model." + node.partition(".")[2]
            nodes[alias] = found
            return [alias]
        return [node]

    mapped = {
        node: list(dict.fromkeys(each for parent in above for each in stored(parent)))
        for node, above in parents.items()
    }
    return {**manifest, "nodes": nodes, "parent_map": mapped}
