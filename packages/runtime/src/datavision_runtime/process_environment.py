"""The variables of this process: the only module of the package that touches `os.environ`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

RESULT_FILE_VARIABLE = "DATAVISION_RESULT_FILE"
RESULT_URI_VARIABLE = "DATAVISION_RESULT_URI"
SHARED_VARIABLE = "DATAVISION_SHARED"
METADATA_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"


@dataclass(frozen=True)
class ProcessEnvironment:
    """What this process was told about results, lineage and traces; an empty variable counts as unset."""

    result_file: str | None = None
    """Where a command leaves its result for the entry point."""
    result_uri: str | None = None
    """`s3://bucket/key` that the entry point delivers its report to."""
    shared: str | None = None
    """How to serve the steps of several tasks; None: run one command."""
    metadata_uri: str | None = None
    """ECS's task metadata endpoint."""
    openlineage_url: str | None = None
    """The server that OpenLineage events go to; None: nowhere."""
    openlineage_namespace: str | None = None
    """Of the jobs in them."""
    openlineage_context: str | None = None
    """JSON: the run that this process works for."""
    otlp_endpoint: str | None = None
    """The OpenTelemetry collector that spans go to; None: nowhere."""
    traceparent: str | None = None
    """The span that this process works for."""
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables, secrets among them, for the command that the entry point starts."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Pick them out of these variables."""
        return cls(
            result_file=variables.get(RESULT_FILE_VARIABLE) or None,
            result_uri=variables.get(RESULT_URI_VARIABLE) or None,
            shared=variables.get(SHARED_VARIABLE) or None,
            metadata_uri=variables.get(METADATA_VARIABLE) or None,
            openlineage_url=variables.get("OPENLINEAGE_URL") or None,
            openlineage_namespace=variables.get("OPENLINEAGE_NAMESPACE") or None,
            openlineage_context=variables.get("OPENLINEAGE_CONTEXT") or None,
            otlp_endpoint=variables.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
            traceparent=variables.get("TRACEPARENT") or None,
            inherited=dict(variables),
        )

    @classmethod
    def current(cls) -> Self:
        """Read those of this process."""
        return cls.of(os.environ)

    def for_command(self, result_file: Path) -> dict[str, str]:
        """Return the variables for a command that leaves its result in `result_file`."""
        return {**self.inherited, RESULT_FILE_VARIABLE: str(result_file)}

    def for_step(self, result_file: Path) -> dict[str, str]:
        """Return the same for a step of a shared container."""
        inherited = {name: value for name, value in self.inherited.items() if name != SHARED_VARIABLE}
        return {**inherited, RESULT_FILE_VARIABLE: str(result_file)}


def replace_variables(variables: Mapping[str, str]) -> None:
    """Make these the variables of this process, in the place of all others."""
    os.environ.clear()
    os.environ.update(variables)
