"""The variables of this process: the only module of the package that touches `os.environ`.

Commands, DAG files and Airflow's plug points ask for `ProcessEnvironment.current()`; what they call takes it, or its
values. The configuration's overrides are among them (`config.load`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class ProcessEnvironment:
    """What this process was told; an empty variable counts as unset."""

    env: str = "local"
    """`DATAVISION_ENV`: the environment of whoever names none."""
    config_dir: Path | None = None
    """`DATAVISION_CONFIG_DIR`; unset: `config/` of the repository."""
    state_dir: Path | None = None
    """`DATAVISION_STATE_DIR`; unset: `.datavision/` of the repository."""
    source_url: str | None = None
    """`DATAVISION_SOURCE__URL`: another PostgreSQL as the source than the embedded one."""
    traceback: bool = False
    """`DATAVISION_TRACEBACK`: whether an unexpected error shows its traceback."""
    git_token: bool = False
    """Whether there is a `DATAVISION_GIT_TOKEN`; git's helper reads it itself."""
    uv: str | None = None
    """`UV`: the uv that started us."""
    path: str = ""
    """`PATH`."""
    certificates: str | None = None
    """`SSL_CERT_FILE`: certificates of a company's proxy."""
    no_proxy: str | None = None
    """`NO_PROXY`: hosts that are reached directly."""
    postgres_host: str | None = None
    """`PGHOST`, as the bootstrap task gets it."""
    postgres_port: str = "5432"
    """`PGPORT`."""
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables, secrets among them, for programs that we start."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Pick them out of these variables."""

        def folder(name: str) -> Path | None:
            return Path(variables[name]) if variables.get(name) else None

        return cls(
            env=variables.get("DATAVISION_ENV") or "local",
            config_dir=folder("DATAVISION_CONFIG_DIR"),
            state_dir=folder("DATAVISION_STATE_DIR"),
            source_url=variables.get("DATAVISION_SOURCE__URL") or None,
            traceback=bool(variables.get("DATAVISION_TRACEBACK")),
            git_token=bool(variables.get("DATAVISION_GIT_TOKEN")),
            uv=variables.get("UV") or None,
            path=variables.get("PATH", ""),
            certificates=variables.get("SSL_CERT_FILE") or None,
            no_proxy=variables.get("NO_PROXY") or None,
            postgres_host=variables.get("PGHOST") or None,
            postgres_port=variables.get("PGPORT") or "5432",
            inherited=dict(variables),
        )

    @classmethod
    def current(cls) -> Self:
        """Read those of this process."""
        return cls.of(os.environ)

    @property
    def overrides(self) -> dict[str, str]:
        """The `DATAVISION_…` variables, whose `<SECTION>__<KEY>` wins over the configuration's file."""
        return {name: value for name, value in self.inherited.items() if name.startswith("DATAVISION_")}
