"""Files that only their owner may read."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a file, all of it or nothing, that only its owner can read, whatever the umask and whatever was there."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
