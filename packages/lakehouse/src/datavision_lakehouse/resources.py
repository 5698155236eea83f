"""How much memory this process may use."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from datavision_lakehouse.process_environment import ProcessEnvironment

DUCKDB_SHARE: Final = 0.6
"""The rest is for Python, the PostgreSQL client and writers, which DuckDB's limit does not cover."""

_CGROUP_FILES: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_available(process: ProcessEnvironment | None = None) -> int:
    """Return the smallest limit in bytes among cgroup, ECS task and machine; `process` says where ECS can be asked."""
    return min(_limits(process or ProcessEnvironment.current()))


def _limits(process: ProcessEnvironment) -> Iterable[int]:
    yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CGROUP_FILES:
        path = Path(name)
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            yield int(text)
    if process.task_metadata_url and (task := _ecs_task_limit(process.task_metadata_url)) is not None:
        yield task


def _ecs_task_limit(address: str) -> int | None:
    # Task metadata v4 gives Limits.Memory in MiB (Amazon ECS developer guide, read November 2026).
    try:
        with urlopen(f"{address}/task", timeout=2) as answer:  # noqa: S310 - the address is the platform's own
            mebibytes = json.load(answer).get("Limits", {}).get("Memory")
    except (URLError, OSError, ValueError):
        return None
    return int(mebibytes) * 1024 * 1024 if mebibytes else None
