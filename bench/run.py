"""Runs benchmarks, one after the other, then writes bench/results.md: `python bench/run.py [PART …]`.

A part's figures that are more than 20 % worse than the recorded ones (those of HEAD) are named, and the exit code is 1.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import results_page
from figures import regressions
from measured import machine

REPOSITORY = results_page.REPOSITORY


@dataclass(frozen=True)
class Part:
    """A script; `prints` says that what it prints is its result, which others write to its file themselves."""

    script: str
    options: tuple[str, ...] = ()
    prints: bool = False
    programs: tuple[str, ...] = ()
    """What this machine has to have; without them the part is left out, unless it is named."""


PARTS = {
    "fargate_local_scale": Part("fargate_local_scale.py", ("--json", "bench/results/fargate_local_scale.json")),
    "operator_parse": Part("operator_parse.py", prints=True),
    "operator_scale": Part("operator_scale.py", ("--json", "bench/results/operator_scale.json")),
    "ingesta_hash": Part("ingesta_hash.py", prints=True),
    "page": Part("page.py", prints=True),
    "rfm": Part("rfm.py"),
    "ingesta": Part("ingesta_load.py"),
    "daily": Part("daily.py"),
    "trivial_task": Part("trivial_task.py"),
    "shared_container": Part("shared_container.py"),
    "images": Part("images.py", prints=True, programs=("podman", "runc", "mmdebstrap")),
    "chaos": Part("chaos.py"),
}


def run(name: str) -> None:
    """Run one part to its end.

    Raises:
        SystemExit: It failed.
    """
    part = PARTS[name]
    folders = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "bench")])
    words = [sys.executable, str(REPOSITORY / "bench" / part.script), *part.options]
    answer = subprocess.run(
        words,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": folders},
        stdout=subprocess.PIPE if part.prints else None,
        text=True,
        check=False,
    )
    if answer.returncode:
        sys.exit(f"{name} ended with {answer.returncode}; its last lines say why.")
    found = json.loads(answer.stdout if part.prints else file(name).read_text())
    if isinstance(found, dict):
        found = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), **found}
    file(name).write_text(json.dumps(found, indent=1) + "\n")


def is_possible(name: str) -> bool:
    """Return whether this machine has a part's programs; say so if not."""
    missing = [program for program in PARTS[name].programs if shutil.which(program) is None]
    if missing:
        sys.stderr.write(f"{name} is left out: it needs {', '.join(missing)}.\n")
    return not missing


def recorded(name: str) -> Any:
    """Return a part's file as HEAD has it; None if it has none."""
    words = ["git", "-C", str(REPOSITORY), "show", f"HEAD:bench/results/{name}.json"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def file(name: str) -> Path:
    return results_page.RESULTS / f"{name}.json"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; default: all")
    chosen = options.parse_args().parts or [name for name in PARTS if is_possible(name)]
    if unknown := sorted(set(chosen) - set(PARTS)):
        sys.stderr.write(f"There is no benchmark {unknown[0]!r}. Name any of: {', '.join(PARTS)}.\n")
        return 2
    worse: list[str] = []
    for name in chosen:
        run(name)
        before = recorded(name)
        if before is not None and file(name).is_file():
            worse += regressions(name, before, json.loads(file(name).read_text()))
    results_page.write()
    for sentence in worse:
        sys.stderr.write(f"Worse by more than 20 %: {sentence}\n")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
