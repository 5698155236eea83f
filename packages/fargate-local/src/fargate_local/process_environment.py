"""The variables of this process: the only module of the package that touches ``os.environ``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENGINE_NAMES = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINER_HOST", "CONTAINERS_CONF", "TMPDIR")
ENGINE_PREFIXES = ("CONTAINERS_", "DOCKER_", "BUILDAH_", "REGISTRY_")


@dataclass(frozen=True, slots=True)
class ProcessEnvironment:
    """What this process was told."""

    path: str = SYSTEM_PATH
    """Where the programs of the image ``host`` are looked up."""
    access_key_id: str = "none"
    """What commands sign with when a server left no key for its owner; an open server takes this one too."""
    secret_access_key: str = field(default="none", repr=False)
    state_home: Path | None = None
    """``XDG_STATE_HOME``; unset: ``~/.local/state``."""
    engine: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a container engine's command line needs."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Pick it out of these variables."""
        return cls(
            path=variables.get("PATH", SYSTEM_PATH),
            access_key_id=variables.get("AWS_ACCESS_KEY_ID", "none"),
            secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY", "none"),
            state_home=Path(variables["XDG_STATE_HOME"]) if variables.get("XDG_STATE_HOME") else None,
            engine={
                name: value
                for name, value in variables.items()
                if name in ENGINE_NAMES or name.startswith(ENGINE_PREFIXES)
            },
        )

    @classmethod
    def current(cls) -> Self:
        """Read those of this process."""
        return cls.of(os.environ)
