"""DuckDB extensions from installed wheels: nothing is downloaded, copied or written."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

import duckdb

EXTENSIONS: Final = ("postgres_scanner", "ducklake", "httpfs", "aws")

OFFLINE: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_persistent_secrets": "false",
    # DuckDB would hash 100 MB of extensions for every instance (0.9 s of CPU). The lock already holds the hash of each
    # wheel, which is also the only reason to trust the Python code beside them in site-packages.
    "allow_unsigned_extensions": "true",
}
"""Instance options: no implicit downloads, no credentials read from or written to a home directory."""


def extension_file(name: str) -> Path:
    """Return the signed extension file from the wheel `duckdb-extension-…` for the installed DuckDB."""
    return Path(str(files(f"duckdb_extension_{name}"))) / f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"


def load_extensions(connection: duckdb.DuckDBPyConnection, names: Iterable[str] = EXTENSIONS) -> None:
    """Load extensions into the connection's instance; takes a few milliseconds."""
    for name in names:
        # Loading the wheel's file itself works on a read-only root, where INSTALL would copy 100 MB first.
        connection.execute(f"LOAD '{extension_file(name)}'")
