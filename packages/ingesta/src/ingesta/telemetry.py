"""What a load tells the world around it, where the container's variables ask for it: its lineage and its trace."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from datavision_runtime.lineage import Lineage
from datavision_runtime.tracing import Span, send_trace
from ingesta.extract import Extract
from ingesta.load import LoadReport
from ingesta.merge import Merged
from ingesta.progress import Reporter
from ingesta.settings import Settings
from ingesta.target import SCHEMA

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

JOB = "ingesta"


def tell(settings: Settings, began: float, done: LoadReport | None, report: Reporter, error: str = "") -> None:
    """Tell of a load that has ended; raises nothing.

    Args:
        settings: Of the load.
        began: When, in Unix seconds.
        done: What it did; None: it failed.
        report: Knows how long each part took.
        error: Why it failed.
    """
    if lineage := Lineage.current():
        lineage.send(_events(lineage, settings, began, done, succeeded=not error))
    parts = [Span(what, start, end) for what, start, end in report.watched]
    about: dict[str, str | int] = {"load_id": done.load.id, "tables": len(done.merged)} if done else {}
    send_trace(JOB, Span(JOB, began, time.time(), about, error), parts)


def _events(
    lineage: Lineage, settings: Settings, began: float, done: LoadReport | None, *, succeeded: bool
) -> "Iterator[RunEvent]":
    pairs = [_datasets(settings, *pair) for pair in zip(done.extracts, done.merged, strict=True)] if done else []
    inputs, outputs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    yield from lineage.job(JOB, began, succeeded=succeeded, inputs=inputs, outputs=outputs)


def _datasets(settings: Settings, landed: Extract, merged: Merged) -> "tuple[InputDataset, OutputDataset]":
    """Return a table of the source and what it became; each column comes from the one of its name."""
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import (
        column_lineage_dataset,
        output_statistics_output_dataset,
        schema_dataset,
    )

    source = settings.source.address
    at, name = f"postgres://{source.host}:{source.port}", landed.table.name
    read = f"{source.database}.{settings.ingesta.source_schema}.{name}"
    columns = [column.name for column in landed.columns]
    schema = schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(name=c.name, type=c.type) for c in landed.columns]
    )
    same = [column_lineage_dataset.Transformation(type="DIRECT", subtype="IDENTITY")]
    origins = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            column: column_lineage_dataset.Fields(
                inputFields=[column_lineage_dataset.InputField(at, read, column, transformations=same)]
            )
            for column in columns
        }
    )
    written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=merged.inserted + merged.updated, size=landed.bytes
    )
    return (
        InputDataset(at, read, facets={"schema": schema}),
        OutputDataset(
            settings.lakehouse.dataset_namespace,
            f"lake.{SCHEMA}.{name}",
            facets={"schema": schema, "columnLineage": origins},
            outputFacets={"outputStatistics": written},
        ),
    )
