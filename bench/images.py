"""Sizes and build times of our images beside a straightforward Dockerfile, on the same engine in the same run.

    python bench/images.py --base-image docker.io/library/python:3.11-slim-bookworm

For each module and way: seconds of the first build (nothing cached but the base), seconds of a build after one line of
source changed, bytes on disk, bytes in a registry (zstd for ours, the engine's default for the other), and the bytes of
the layers that the changed line makes anew: what a release has to push.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-image", required=True)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
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
                with tempfile.TemporaryDirectory(dir=scratch) as caches:
                    os.environ["TMPDIR"] = caches  # where podman keeps what RUN --mount=type=cache keeps
                    rows.append(measure(options.base_image, tree, module, way, dockerfile, source))
                sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


def measure(base: str, tree: Path, module: str, way: str, dockerfile: str, source: Path) -> Measured:
    name = f"localhost/bench/{module}:{way}"
    ignore = tree / ".dockerignore"
    kept = ignore.read_text()
    if way != "ours":
        ignore.write_text(".git\n")
    try:
        first = build(base, tree, dockerfile, name, "--no-cache")
        build(base, tree, dockerfile, name)
        before = blobs(name, zstd=way == "ours")
        with source.open("a") as file:
            file.write(f"# {way}\n")
        changed = build(base, tree, dockerfile, name)
    finally:
        ignore.write_text(kept)
    after = blobs(name, zstd=way == "ours")
    return Measured(
        module=module,
        way=way,
        first_seconds=first,
        changed_seconds=changed,
        disk_bytes=int(podman("image", "inspect", "--format", "{{.Size}}", name)),
        registry_bytes=sum(after.values()),
        changed_bytes=sum(size for digest, size in after.items() if digest not in before),
    )


def build(base: str, tree: Path, dockerfile: str, name: str, *flags: str) -> float:
    certificates = os.environ.get("SSL_CERT_FILE")
    secret = ["--secret", f"id=ca,src={certificates}"] if certificates else []
    started = time.monotonic()
    podman("build", *flags, "--build-arg", f"BASE_IMAGE={base}", *secret, "-f", dockerfile, "-t", name, ".", cwd=tree)
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
