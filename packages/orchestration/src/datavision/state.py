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
