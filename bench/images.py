"""Sizes and build times of our images beside a straightforward Dockerfile, on the same engine in the same run.

    PYTHONPATH=. python bench/images.py [--base-image docker.io/library/python:3.11-slim-bookworm]

Needs podman, runc and mmdebstrap; the base is a Debian with Python, made from packages, where none is named. For each
module and way: seconds of the first build (nothing cached but the base), seconds of a build after one line of source
changed, bytes on disk, bytes in a registry (zstd for ours, the engine's default for the other), and the bytes of the
layers that the changed line makes anew, which the registry has to store: built on the machine that built before, and on
one that never did, as those of a hosted CI.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from measured import machine, say
from tests.support.podman import debian_with_python, own_podman

from datavision.images.containers import certificates, layer_options

MODULES = ("ingesta", "transformacion")
NAIVE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update && apt-get install -y build-essential python3-pip python3-venv
WORKDIR /app
COPY requirements.txt .
RUN --mount=type=secret,id=ca if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /venv && /venv/bin/pip install -r requirements.txt
COPY . .
ENV PATH=/venv/bin:$PATH
CMD ["python3"]
"""


@dataclass(frozen=True)
class Measured:
    """One image."""

    module: str
    way: str
    first_seconds: float
    changed_seconds: float
    disk_bytes: int
    registry_bytes: int
    changed_bytes: int
    changed_bytes_elsewhere: int
    """What the registry has to store when a machine that never built releases the change."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, own_podman() as engine:
        rows = measured(options.base_image or debian_with_python(engine), Path(scratch))
    found = {
        "machine": f"{machine()}, {podman('--version').strip()}, nothing cached but the base",
        "rows": [asdict(row) for row in rows],
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


def measured(base: str, scratch: Path) -> list[Measured]:
    """Return each module's image, ours and the straightforward one."""
    rows = []
    tree = scratch / "tree"
    subprocess.run(["git", "clone", "--quiet", ".", str(tree)], check=True)
    for module in MODULES:
        requirements = subprocess.run(
            [
                os.environ.get("UV", "uv"), "export", "--frozen", "--package", f"datavision-{module}", "--no-dev",
                "--no-emit-workspace", "--no-hashes", "--no-header", "--quiet",
            ],
            cwd=tree, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        (tree / "requirements.txt").write_text(requirements)
        (tree / "Dockerfile.naive").write_text(NAIVE)
        source = tree / f"packages/{module}/src/{module}/__init__.py"
        for way, dockerfile in (("ours", f"packages/{module}/Dockerfile"), ("straightforward", "Dockerfile.naive")):
            # Where podman keeps what RUN --mount=type=cache keeps.
            os.environ["TMPDIR"] = tempfile.mkdtemp(dir=scratch)
            rows.append(measure(base, tree, module, way, dockerfile, source))
            say(str(rows[-1]))
    return rows


def measure(base: str, tree: Path, module: str, way: str, dockerfile: str, source: Path) -> Measured:
    name = f"localhost/bench/{module}:{way}"
    ignore = tree / ".dockerignore"
    kept = ignore.read_text()
    options = [f"--build-arg=BASE_IMAGE={base}", *certificates()]
    if way == "ours":
        options += layer_options("podman")
    else:
        ignore.write_text(".git\n")
    try:
        first = build(tree, dockerfile, name, *options, "--no-cache")
        build(tree, dockerfile, name, *options)
        before = blobs(name, zstd=way == "ours")
        with source.open("a") as file:
            file.write(f"# {way}\n")
        changed = build(tree, dockerfile, name, *options)
        after = blobs(name, zstd=way == "ours")
        build(tree, dockerfile, name, *options, "--no-cache")
        elsewhere = blobs(name, zstd=way == "ours")
    finally:
        ignore.write_text(kept)
    return Measured(
        module=module,
        way=way,
        first_seconds=first,
        changed_seconds=changed,
        disk_bytes=int(podman("image", "inspect", "--format", "{{.Size}}", name)),
        registry_bytes=sum(after.values()),
        changed_bytes=new_bytes(before, after),
        changed_bytes_elsewhere=new_bytes(before, elsewhere),
    )


def new_bytes(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(size for digest, size in after.items() if digest not in before)


def build(tree: Path, dockerfile: str, name: str, *options: str) -> float:
    started = time.monotonic()
    podman("build", *options, "-f", dockerfile, "-t", name, ".", cwd=tree)
    return round(time.monotonic() - started, 1)


def blobs(name: str, *, zstd: bool) -> dict[str, int]:
    """Return the bytes of each blob of an image, by digest, as a registry would hold them."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--compression-format", "zstd"] if zstd else []
        podman("push", "--compress", *options, name, f"dir:{folder}")
        return {file.name: file.stat().st_size for file in Path(folder).iterdir()}


def podman(*arguments: str, cwd: Path | None = None) -> str:
    return subprocess.run(["podman", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
