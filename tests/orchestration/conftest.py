"""DAG files that a test writes, parsed by Airflow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.pins import write_pin

from datavision.pins import Pin, PinnedImage

Parse = Callable[[str], Any]
DIGEST = "sha256:" + "a" * 64
HEAD = """
from datetime import datetime
from airflow.sdk import dag, task

@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def prueba():
"""


@pytest.fixture
def parse(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Parse:
    """Parse the body of a DAG whose pin has an image of `ingesta`, and return the DagBag."""
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("DATAVISION_ENV", "local")
    monkeypatch.setenv("DATAVISION_CONFIG_DIR", str(repository / "config"))
    image = PinnedImage(
        repository="datavision/ingesta", tag="1.2.0", digest=DIGEST, task_definition="datavision-local-ingesta:7"
    )
    pin = Pin(version="1.2.0", commit="0", pinned_at="2026-11-01", pinned_by="x", reason="", images={"ingesta": image})
    write_pin(tmp_path, "local", "prueba", pin)

    def parsed(body: str) -> Any:
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        (tmp_path / "prueba.py").write_text(f"{HEAD}{lines}\nprueba()\n")
        return DagBag(dag_folder=str(tmp_path))

    return parsed
