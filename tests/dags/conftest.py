"""The DAGs of this repository, with pins as a release leaves them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.pins import write_pin

from datavision.pins import Pin, PinnedImage

PIPELINES = ("pipeline_suscripciones", "pipeline_fact_rfm", "pipeline_completo")
DIGEST = "sha256:" + "a" * 64


def a_pin(version: str = "1.2.0") -> Pin:
    images = {
        module: PinnedImage(
            repository=f"datavision/{module}",
            tag=version,
            digest=DIGEST,
            task_definition=f"datavision-local-{module}:7",
        )
        for module in ("ingesta", "transformacion")
    }
    return Pin(
        version=version, commit="0" * 40, pinned_at="2026-11-01T00:00:00+00:00", pinned_by="x", reason="", images=images
    )


@pytest.fixture(scope="session")
def make_pin() -> Callable[[str], Pin]:
    """Make a pin of a release."""
    return a_pin


@pytest.fixture(scope="session")
def dags_folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `dags/` with a pin for each pipeline."""
    folder = tmp_path_factory.mktemp("bundle") / "dags"
    shutil.copytree(repository / "dags", folder, ignore=shutil.ignore_patterns("__pycache__", "pins"))
    for pipeline in PIPELINES:
        write_pin(folder, "local", pipeline, a_pin())
    return folder


@pytest.fixture(scope="module")
def configured(repository: Path) -> Iterator[None]:
    """The repository's own configuration, environment `local`."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DATAVISION_ENV", "local")
    patch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def dags(dags_folder: Path, configured: None) -> dict[str, Any]:
    """Every DAG, by id."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(dags_folder), collect_dags=True)
    assert bag.import_errors == {}
    return dict(bag.dags)
