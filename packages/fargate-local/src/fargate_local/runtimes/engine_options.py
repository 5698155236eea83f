"""What a container finds on Fargate, as options of an engine's `run`.

API reference, Ulimit (nofile) and KernelCapabilities (Docker's default set, to which only SYS_PTRACE may be added);
Docker's documentation, "Runtime privilege and Linux capabilities" (read November 2026).
"""

import resource
from typing import Any, Final

from fargate_local.protocol.plan import ContainerPlan
from fargate_local.runtimes.names import RuntimeName

OPEN_FILES: Final = 65_535
"""Fargate's limit for `nofile`, soft and hard."""
ONLY_DOCKER_GIVES: Final = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
"""Capabilities of Docker's default set that podman's lacks in some versions (containers/common, default.go)."""
SHARED_MEMORY: Final = "--shm-size=64m"
"""Docker's default; podman's is 64,000 KiB."""
OWN_OF_PODMAN: Final = ("container", "TERM")
"""Variables that podman sets in every container (containers/podman, pkg/env/env.go)."""


def likeness(engine: RuntimeName, image: dict[str, Any]) -> list[str]:
    """Return options that keep an engine from adding what Fargate does not; `image` is the image's configuration."""
    if engine != "podman":
        return []
    declared = {each.partition("=")[0] for each in image.get("Env") or ()}
    # What an image sets is unset with it.
    unset = [f"--unsetenv={name}" for name in OWN_OF_PODMAN if name not in declared]
    return ["--passwd=false", "--systemd=false", "--read-only-tmpfs=false", "--pids-limit=-1", SHARED_MEMORY, *unset]


def limits(container: ContainerPlan) -> list[str]:
    """Return resource limits as an engine's options."""
    wanted = {**usual_limits(), **container.ulimits}
    return [f"--ulimit={name}={soft}:{hard}" for name, (soft, hard) in wanted.items()]


def capabilities(engine: RuntimeName, container: ContainerPlan, image: dict[str, Any]) -> list[str]:
    """Return capabilities as an engine's options."""
    dropped, user = container.dropped_capabilities, container.user or image.get("User") or "root"
    # Other users have none on Fargate, and would have in effect what podman is told to add.
    is_root = user.partition(":")[0] in ("0", "root")
    lacking = ONLY_DOCKER_GIVES if engine == "podman" and is_root and "ALL" not in dropped else ()
    added = [*(name for name in lacking if name not in dropped), *container.added_capabilities]
    return [*(f"--cap-add={name}" for name in added), *(f"--cap-drop={name}" for name in dropped)]


def usual_limits() -> dict[str, tuple[int, int]]:
    """Return the limits, (soft, hard), of a container that asks for none; no higher than this process's own."""
    files = min(OPEN_FILES, hard_limit(resource.RLIMIT_NOFILE))
    # Fargate leaves all others to the system. For this one podman takes more than it may where it may raise none, and
    # at its start it has lowered its own to that of files.
    processes = min(files, hard_limit(resource.RLIMIT_NPROC))
    return {"nofile": (files, files), "nproc": (processes, processes)}


def hard_limit(kind: int) -> int:
    """Return a hard limit of this process; `OPEN_FILES` where there is none."""
    _, hard = resource.getrlimit(kind)
    return OPEN_FILES if hard == resource.RLIM_INFINITY else hard
