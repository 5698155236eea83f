"""What a task definition may contain without effect here; the package's README has the same list as a table."""

import platform
from typing import Any

MACHINES = {"x86_64": "X86_64", "AMD64": "X86_64", "aarch64": "ARM64", "arm64": "ARM64"}
TASK_FIELDS = ("proxyConfiguration", "enableFaultInjection", "pidMode")
CONTAINER_FIELDS = (
    "dockerLabels",
    "firelensConfiguration",
    "interactive",
    "pseudoTerminal",
    "repositoryCredentials",
    "systemControls",
    "versionConsistency",
    "credentialSpecs",
)
VOLUME_FIELDS = ("efsVolumeConfiguration", "configuredAtLaunch")


def ignored_fields(request: dict[str, Any]) -> list[str]:
    """Return the fields of a definition that have no effect here, in the order they are documented."""
    fields = [field for field in TASK_FIELDS if request.get(field)]
    wanted = request.get("runtimePlatform", {})
    if wanted.get("operatingSystemFamily", "LINUX") != "LINUX":
        fields.append(f"operatingSystemFamily {wanted['operatingSystemFamily']}")
    elif (architecture := wanted.get("cpuArchitecture")) and architecture != MACHINES.get(platform.machine()):
        fields.append(f"cpuArchitecture {architecture}")
    if request.get("ephemeralStorage"):
        fields.append("ephemeralStorage")
    fields += [
        f"{field} of volume {volume['name']}"
        for volume in request.get("volumes", [])
        for field in VOLUME_FIELDS
        if volume.get(field)
    ]
    for container in request["containerDefinitions"]:
        fields += [f"{field} of container {container['name']}" for field in container_fields(container)]
    return fields


def container_fields(container: dict[str, Any]) -> list[str]:
    """Return the fields of one container that have no effect here."""
    fields = [field for field in CONTAINER_FIELDS if container.get(field)]
    driver = container.get("logConfiguration", {}).get("logDriver", "awslogs")
    if driver != "awslogs":
        fields.append(f"log driver {driver}")
    if container.get("linuxParameters", {}).get("initProcessEnabled"):
        fields.append("initProcessEnabled")
    return fields
