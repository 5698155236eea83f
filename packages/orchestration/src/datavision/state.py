"""The one folder that holds all local state."""

import os
from pathlib import Path

from datavision.errors import ConfigError


def project_root() -> Path:
    """Return the repository's folder: the nearest one at or above the working directory with `config/local.toml`.

    Raises:
        ConfigError: there is none.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "config" / "local.toml").is_file():
            return folder
    raise ConfigError(f"{here} is not inside the DataVision repository. Change into it, or set DATAVISION_CONFIG_DIR.")


def state_dir() -> Path:
    """Return the state folder: `DATAVISION_STATE_DIR`, or `.datavision/` of the repository."""
    named = os.environ.get("DATAVISION_STATE_DIR")
    return Path(named).resolve() if named else project_root() / ".datavision"


def data_path(configured: str) -> str:
    """Return a storage path as a task sees it: `s3://…` and absolute paths as they are, others inside the state folder.

    `.datavision/landing` is written in the configuration for people; the state folder may be elsewhere.
    """
    if "://" in configured or Path(configured).is_absolute():
        return configured
    return str(state_dir() / configured.removeprefix(".datavision/"))
