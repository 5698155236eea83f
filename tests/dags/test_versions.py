"""A DAG's version changes exactly when its pin or its code does."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.support.pins import write_pin

from datavision.pins import Pin

HASHES = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(dag_folder=sys.argv[1])
assert not bag.import_errors, bag.import_errors
print(json.dumps({d.dag_id: SerializedDagModel.hash(DagSerialization.to_dict(d)) for d in bag.dags.values()}))
"""


def hashes(folder: Path, repository: Path, home: Path, seed: int) -> Mapping[str, str]:
    """Return the hash that Airflow compares to decide on a new DAG version, for each DAG, from a fresh process."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "AIRFLOW_HOME": str(home),
        "PYTHONHASHSEED": str(seed),
        "DATAVISION_ENV": "local",
        "DATAVISION_CONFIG_DIR": str(repository / "config"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", HASHES, str(folder)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One for all: the serialised DAG names Airflow's DAG folder.
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(dags_folder: Path, repository: Path, home: Path) -> Mapping[str, str]:
    return hashes(dags_folder, repository, home, 1)


@pytest.mark.slow
def test_two_parses_in_two_processes_serialise_identically(
    first: Mapping[str, str], dags_folder: Path, repository: Path, home: Path
) -> None:
    assert hashes(dags_folder, repository, home, 2) == first


def test_a_new_pin_changes_the_version_of_its_pipeline_and_of_its_rehearsal_only(
    first: Mapping[str, str],
    dags_folder: Path,
    repository: Path,
    home: Path,
    tmp_path: Path,
    make_pin: Callable[[str], Pin],
) -> None:
    # The same path, because a DAG's file is part of its version.
    kept = tmp_path / "kept"
    shutil.copytree(dags_folder, kept)
    try:
        write_pin(dags_folder, "local", "pipeline_fact_rfm", make_pin("1.3.0"))
        changed = hashes(dags_folder, repository, home, 3)
    finally:
        shutil.rmtree(dags_folder)
        shutil.copytree(kept, dags_folder)
    assert {name for name in first if first[name] != changed[name]} == {"pipeline_fact_rfm", "ensayo_completo"}
