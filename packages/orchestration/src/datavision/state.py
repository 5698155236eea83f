"""The one folder that holds all local state."""

import json
from pathlib import Path

from datavision.errors import ConfigError
from datavision.process_environment import ProcessEnvironment


def project_root() -> Path:
    """Return the repository's folder: the nearest one at or above the working directory with `config/local.toml`.

    Raises:
        ConfigError: There is none.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "config" / "local.toml").is_file():
            return folder
    raise ConfigError(f"{here} is not inside the DataVision repository. Change into it, or set DATAVISION_CONFIG_DIR.")


def state_dir(process: ProcessEnvironment | None = None) -> Path:
    """Return the state folder: `DATAVISION_STATE_DIR`, or `.datavision/` of the repository."""
    named = (process or ProcessEnvironment.current()).state_dir
    return named.resolve() if named else project_root() / ".datavision"


def embedded_credentials(endpoint_url: str) -> dict[str, str]:
    """Return the key of the embedded cloud at `endpoint_url`, in boto3's format.

    Empty when the state folder's cloud is another one: then the usual chain (environment, profile, role) finds the key.
    """
    try:
        key = json.loads((state_dir() / "cloud" / "key.json").read_text())
        if key["url"] != endpoint_url:
            return {}
        return {"aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"]}
    except (OSError, ValueError, KeyError, TypeError, ConfigError):  # no key, or a damaged one
        return {}
