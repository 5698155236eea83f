"""The runtimes there are."""

from typing import Literal

RuntimeName = Literal["process", "podman", "docker"]
