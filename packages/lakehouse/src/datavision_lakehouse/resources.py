"""How much memory this process may use."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

DUCKDB_SHARE: Final = 0.6
"""The rest is for Python, the PostgreSQL client and writers, which DuckDB's limit does not cover."""

_CGROUP_FILES: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_available() -> int:
    """Return the memory limit in bytes: the smallest among cgroup, ECS task and machine."""
    return min(_limits())


def _limits() -> Iterable[int]:
    yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CGROUP_FILES:
        path = Path(name)
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            yield int(text)
    if (task := _ecs_task_limit()) is not None:
        yield task


def _ecs_task_limit() -> int | None:
    # Task metadata v4 gives Limits.Memory in MiB (Amazon ECS developer guide, read November 2026).
    address = os.environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if not address:
        return None
    try:
        with urlopen(f"{address}/task", timeout=2) as answer:  # noqa: S310 - the address is the platform's own
            mebibytes = json.load(answer).get("Limits", {}).get("Memory")
    except (URLError, OSError, ValueError):
        return None
    return int(mebibytes) * 1024 * 1024 if mebibytes else None
