"""What every test gets: an environment of its own, so that a user's settings neither help nor hurt."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = [
    "tests.support.cloud",
    "tests.support.podman",
    "tests.support.postgres",
    "tests.support.s3",
    "tests.support.strict_cloud",
]

REPOSITORY = Path(__file__).resolve().parents[1]
LONG_FILES = ("release", "transformacion", "faults", "ingesta")
"""Folders whose files take a minute or more: they begin first, so that no worker is left alone with one at the end."""

MEMORY = Path("/dev/shm")
ROOT_VARIABLE = "PYTEST_DEBUG_TEMPROOT"
MEMORY_BYTES = 4 << 30
"""What has to be free in it; the default tests take half."""

# A background job starts with Ctrl-C ignored, and hands that down; what tests start is stopped by Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
# Airflow reads its home when it is first imported, by whichever test does so.
_airflow_home = tempfile.TemporaryDirectory(prefix="datavision-airflow-home-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of the default tests in memory, where it may hold programs: they copy databases all the time.

    They go with the run, a failed one's too; with `PYTEST_DEBUG_TEMPROOT` they stay in the folder that it names.
    """
    if ROOT_VARIABLE not in os.environ and "not slow" in config.option.markexpr and MEMORY.is_dir():
        runs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        if runs and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
            folder = tempfile.TemporaryDirectory(prefix="dv", dir=MEMORY, ignore_cleanup_errors=True)
            config.add_cleanup(folder.cleanup)
            # Workers inherit it. Short, for sockets lie below.
            os.environ[ROOT_VARIABLE] = folder.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give xdist the files in the order in which they should begin; with `--no-loadscope-reorder` it keeps that."""
    ranks = {folder: rank for rank, folder in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.relative_to(REPOSITORY / "tests").parts[0], len(ranks)))


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    """Take the user's AWS, DataVision and telemetry settings out of the way for the whole session."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        ours = name.startswith(("DATAVISION_", "AWS_", "OPENLINEAGE_", "OTEL_")) or name == "TRACEPARENT"
        if ours and name not in ("AWS_CA_BUNDLE", "AWS_EC2_METADATA_DISABLED"):
            patch.delenv(name)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this repository."""
    return REPOSITORY
