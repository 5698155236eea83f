"""The base image by digest: what its tag names at its registry today, and the configuration that keeps it."""

import re
import shutil
import subprocess
from pathlib import Path

from datavision.config import Config, config_dir
from datavision.images.errors import ImageError

_LINE = re.compile(r'^base_image = "[^"]*"', re.MULTILINE)
_LOOPBACK = ("127.0.0.1", "localhost")


def has_digest(reference: str) -> bool:
    """Say whether a reference names an image by digest."""
    return "@sha256:" in reference


def without_tag(reference: str) -> str:
    """Return `name@digest` of `name:tag@digest`, which not every engine takes; any other reference as it is."""
    name, at, digest = reference.partition("@")
    return re.sub(r":[^:/]+$", "", name) + at + digest if at else reference


def without_digest(reference: str) -> str:
    """Return the reference by its tag."""
    return reference.partition("@")[0]


def move_base_image(config: Config) -> tuple[str, str]:
    """Write the digest that the base image's tag has today into `config/<env>.toml`.

    Returns the reference before and after.

    Raises:
        ImageError: skopeo is not installed, the registry does not know the tag, or the file has no such line.
    """
    before = config.images.base_image
    tagged = without_digest(before)
    after = f"{tagged}@{_digest(tagged)}"
    path = config_dir() / f"{config.env}.toml"
    _write(path, after)
    return before, after


def _digest(tagged: str) -> str:
    if shutil.which("skopeo") is None:
        raise ImageError("Asking a registry for a digest needs skopeo. Install it (`apt-get install skopeo`).")
    insecure = ["--tls-verify=false"] if tagged.startswith(_LOOPBACK) else []
    # Of an image for several architectures this is the digest of the index, so that each machine finds its own in it.
    command = ["skopeo", "--override-os", "linux", "inspect", *insecure, "--no-tags", "--format", "{{.Digest}}"]
    done = subprocess.run([*command, f"docker://{tagged}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"skopeo could not look up {tagged}:\n{done.stderr.strip()}")
    return done.stdout.strip()


def _write(path: Path, reference: str) -> None:
    text, count = _LINE.subn(f'base_image = "{reference}"', path.read_text(encoding="utf-8"))
    if count != 1:
        raise ImageError(f'{path} has {count} lines base_image = "…". Write it there: base_image = "{reference}".')
    path.write_text(text, encoding="utf-8")
