"""The variables of this process: the only module of the package that touches `os.environ`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

RESULT_FILE_VARIABLE = "DATAVISION_RESULT_FILE"
RESULT_URI_VARIABLE = "DATAVISION_RESULT_URI"


@dataclass(frozen=True)
class ProcessEnvironment:
    """What this process was told about results; an empty variable counts as unset."""

    result_file: str | None = None
    """Where a command leaves its result for the entry point."""
    result_uri: str | None = None
    """`s3://bucket/key` that the entry point delivers its report to."""
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables, secrets among them, for the command that the entry point starts."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Pick them out of these variables."""
        return cls(
            variables.get(RESULT_FILE_VARIABLE) or None, variables.get(RESULT_URI_VARIABLE) or None, dict(variables)
        )

    @classmethod
    def current(cls) -> Self:
        """Read those of this process."""
        return cls.of(os.environ)

    def for_command(self, result_file: Path) -> dict[str, str]:
        """Return the variables for a command that leaves its result in `result_file`."""
        return {**self.inherited, RESULT_FILE_VARIABLE: str(result_file)}
