"""Pins for tests that need one beside a DAG file."""

from pathlib import Path

from datavision.pins import Pin, pin_path, render_pin


def write_pin(dags_folder: Path, env: str, pipeline: str, pin: Pin) -> None:
    """Write a pin where a DAG of `dags_folder` reads it."""
    path = pin_path(dags_folder, env, pipeline)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_pin(pin), encoding="utf-8")
