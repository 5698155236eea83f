"""The runtimes there are, and the networks that tasks may have."""

from typing import Literal

RuntimeName = Literal["process", "podman", "docker"]
NetworkName = Literal["own", "host"]
