"""The tutorial, command by command, in a clone."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.clone import copy_of_the_tree

from datavision.images.uv import uv_binary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BLOCK = re.compile(r"^```bash([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 600


def blocks(page: str) -> list[tuple[bool, str]]:
    """Every command block of the page, and whether it belongs into the second terminal."""
    return [("second-terminal" in info, text) for info, text in BLOCK.findall(page)]


def test_every_command_of_the_tutorial_runs_in_its_order(repository: Path, tmp_path: Path) -> None:
    clone = copy_of_the_tree(repository, tmp_path / "clone")
    found = blocks((clone / "docs" / "tutorial.md").read_text())
    (at,) = (number for number, (second, _) in enumerate(found) if second)
    # Other tests of this worker may have set variables for a stack of theirs.
    unknown = ("VIRTUAL_ENV", "MAKEFLAGS", "DATAVISION_", "AWS_")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(unknown)},
        "PATH": f"{Path(uv_binary(repository)).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    kept = tmp_path / "exported"
    bash([text for _, text in found[:at]] + [f"export -p > {kept}"], clone, env)
    log = tmp_path / "up.log"
    with log.open("w") as output:
        up = subprocess.Popen(
            ["bash", "-ec", found[at][1]], cwd=clone, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not (clone / ".datavision" / "stack.json").exists():
            assert up.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        said = bash([f"source {kept}"] + [text for _, text in found[at + 1 :]], clone, env)
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGINT)  # Ctrl-C reaches everything in the foreground of a terminal
        up.wait(90)
    assert said.count("pipeline_facturacion: success") == 3
    shown = [line for line in said.splitlines() if re.search(r"\bmes\b", line)]
    assert ["monto_total" in line for line in shown] == [False, True, False]
    assert re.search(r"pipeline_facturacion in local: 0\.1\.2 → 0\.1\.1", said)
    assert not (clone / ".datavision" / "stack.json").exists()


def bash(parts: list[str], folder: Path, env: dict[str, str]) -> str:
    """Run commands as a script that ends with the first one that fails; returns what they printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(parts)],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
